"""Isolation for every test: its own home folder, a cleaned environment, no model hub."""

import os
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.tiny_models import save_tiny_model

pytest_plugins = ["tests.browser", "tests.databases", "tests.mlflow_server", "tests.postgres", "tests.studio"]

REPOSITORY = Path(__file__).resolve().parent.parent
# Read when the hub's library is imported, which some test modules do. Asking a hub that is away takes a minute.
os.environ["HF_HUB_OFFLINE"] = "1"
_numbers = count()

# How long an input takes to make says more about the machine than about a strategy.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--banking77", type=Path, help="folder with train.csv of Banking77, for the tests that use it")
    parser.addoption(
        "--long", action="store_true", help="run the tests marked long, and others as often as docs/ quotes"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: proves again, more thoroughly, what another test proves; asks for --long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of an `architecture` or a `decoder_architecture` over two, and with --long over all of them.

    They differ in what goes wrong first: separate or joint linear layers, transposed weights, and a missing pad token.
    """
    known = {
        "architecture": ("bert", "gpt2", "distilbert", "llama", "modernbert", "roberta", "t5"),
        "decoder_architecture": ("llama", "gpt2", "qwen2"),
    }
    for name in known.keys() & set(metafunc.fixturenames):
        metafunc.parametrize(name, known[name] if metafunc.config.getoption("--long") else known[name][:2])


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny base model that all tests share: nothing is written into it."""
    return save_tiny_model("bert", tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    """True where tests that repeat themselves should do it many times."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(autouse=True)
def clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """No `LABELLOOP_` setting leaks in; what is written goes to a folder of the test.

    Models are computed by torch, since it takes seconds to export one; tests of graphs ask for them.
    """
    for name in list(os.environ):
        if name.startswith("LABELLOOP_"):
            monkeypatch.delenv(name)
    # Making and deleting a folder is most of a small test's time, so only a test that asks for one gets one.
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
    else:
        folder = tmp_path_factory.getbasetemp() / f"test-{next(_numbers)}"
    home = folder / "home"
    monkeypatch.setenv("LABELLOOP_HOME", str(home))
    monkeypatch.setenv("LABELLOOP_RUNTIME", "torch")
    return home
