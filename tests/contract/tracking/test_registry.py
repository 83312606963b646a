"""What every tracker and registry promises: the fakes, MLflow in a file, MLflow on a server."""

import itertools
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ml_backend.domain.model import Method, ModelVersion
from ml_backend.domain.ports import ModelRegistry, Tracker
from ml_backend.errors import JobCancelled, JobError, ModelNotFound
from ml_backend.tracking.mlflow import MlflowTracker
from ml_backend.tracking.registry import MlflowRegistry
from tests.fakes import FakeRegistry, FakeTracker, register_version

FACTS = {
    "method": Method.LORA,
    "snapshot_id": "00ff00ff00ff00ff",
    "label_config_fingerprint": "abcabcabcabc",
    "metrics": {"validation_macro_f1": 0.75, "validation_rows": 12.0},
}
KEYS = (f"tickets-{number}" for number in itertools.count(1))


@dataclass(frozen=True)
class Backend:
    tracker: Tracker
    registry: ModelRegistry


@pytest.fixture(scope="module", params=["fake", "sqlite", "server"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    folder = tmp_path_factory.mktemp("backend")
    if request.param == "fake":
        return Backend(FakeTracker(folder), FakeRegistry(folder))
    if request.param == "sqlite":
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        return Backend(MlflowTracker(uri, folder / "artifacts"), MlflowRegistry(uri, folder / "models"))
    url = request.getfixturevalue("mlflow_server").url
    return Backend(MlflowTracker(url, folder / "unused"), MlflowRegistry(url, folder / "models"))


@pytest.fixture
def key() -> str:
    """A project of the test's own; the backend is shared, because a new one costs seconds."""
    return next(KEYS)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "adapter").mkdir(parents=True)
    (folder / "bundle.json").write_text('{"labels": ["é"]}')
    (folder / "adapter" / "weights").write_bytes(bytes(range(256)))
    return folder


def register(backend: Backend, key: str, bundle: Path, number: int | None = None) -> ModelVersion:
    with backend.tracker.run(key, "a run") as run:
        run.log_folder(bundle, "bundle")
        return register_version(backend.registry, key, number=number, run_id=run.run_id, **FACTS)


def test_a_registered_version_keeps_what_it_was_given(backend: Backend, key: str, bundle: Path) -> None:
    registered = register(backend, key, bundle)
    (found,) = backend.registry.versions(key)
    assert found == registered
    assert (found.name, found.number, found.project_key) == (f"{key}-v1", 1, key)
    assert {name: getattr(found, name) for name in FACTS} == FACTS
    assert found.run_id
    assert found.created_at.utcoffset() == timedelta(0)
    assert (found.is_champion, found.is_challenger) == (False, False)


def test_the_files_of_a_version_are_those_that_its_run_logged(backend: Backend, key: str, bundle: Path) -> None:
    version = register(backend, key, bundle)
    backend.registry.fetch(version)
    path = version.path
    assert sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()) == [
        "adapter/weights",
        "bundle.json",
    ]
    assert (path / "bundle.json").read_text() == '{"labels": ["é"]}'
    assert (path / "adapter" / "weights").read_bytes() == bytes(range(256))


def test_versions_are_numbered_from_1_without_gaps(backend: Backend, key: str, bundle: Path) -> None:
    assert backend.registry.next_number(key) == 1
    assert [register(backend, key, bundle).number for _ in range(2)] == [1, 2]
    assert backend.registry.next_number(key) == 3


def test_the_newest_version_comes_first_also_past_nine(backend: Backend, key: str, bundle: Path) -> None:
    for _ in range(11):
        register(backend, key, bundle)
    assert [version.number for version in backend.registry.versions(key)] == list(range(11, 0, -1))


def test_numbers_below_the_one_wanted_are_used_up(backend: Backend, key: str, bundle: Path) -> None:
    assert register(backend, key, bundle, 4).name == f"{key}-v4"
    assert [version.number for version in backend.registry.versions(key)] == [4]
    assert backend.registry.next_number(key) == 5
    with pytest.raises(ModelNotFound):
        backend.registry.set_champion(key, f"{key}-v3")


def test_a_number_that_was_taken_meanwhile_is_refused(backend: Backend, key: str, bundle: Path) -> None:
    number = backend.registry.next_number(key)
    theirs = register(backend, key, bundle)
    with pytest.raises(JobError, match=f"version 1 of {key} was taken"):
        register(backend, key, bundle, number)
    assert backend.registry.versions(key) == [theirs]
    again = register(backend, key, bundle)
    assert [version.name for version in backend.registry.versions(key)] == [again.name, theirs.name]


@pytest.mark.parametrize("is_known_project", [True, False])
def test_an_unknown_version_cannot_be_champion(
    backend: Backend, key: str, bundle: Path, is_known_project: bool
) -> None:
    if is_known_project:
        backend.registry.set_champion(key, register(backend, key, bundle).name)

    with pytest.raises(ModelNotFound, match=f"{key}-v2'"):
        backend.registry.set_champion(key, f"{key}-v2")

    assert champions(backend, key) == []


def champions(backend: Backend, key: str) -> list[str]:
    return [version.name for version in backend.registry.versions(key) if version.is_champion]


def test_the_alias_names_one_version_or_none_and_says_which_one_it_named(
    backend: Backend, key: str, bundle: Path
) -> None:
    first, second = (register(backend, key, bundle).name for _ in range(2))
    before = []
    for name in (None, first, second, second, first, None, None):
        before.append(backend.registry.set_champion(key, name))
        assert champions(backend, key) == ([name] if name else [])

    assert before == [None, None, first, second, second, first, None]


def test_an_unknown_project_has_no_versions(backend: Backend, key: str) -> None:
    assert list(backend.registry.versions(key)) == []
    assert backend.registry.set_champion(key, None) is None


def test_projects_do_not_see_each_other(backend: Backend, key: str, bundle: Path) -> None:
    longer = f"{key}0"  # its name starts with the other's
    backend.registry.set_champion(longer, register(backend, longer, bundle).name)
    assert backend.registry.next_number(key) == 1
    assert list(backend.registry.versions(key)) == []


def test_a_project_is_listed_once_it_has_registered_a_version(backend: Backend, key: str, bundle: Path) -> None:
    assert key not in backend.registry.project_keys()
    for _ in range(2):
        register(backend, key, bundle)
    keys = list(backend.registry.project_keys())
    assert keys.count(key) == 1
    assert keys == sorted(keys)


@pytest.mark.parametrize("error", [JobCancelled("stop"), ValueError("no")])
def test_what_goes_wrong_in_a_run_is_not_swallowed(backend: Backend, key: str, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), backend.tracker.run(key, "a run"):
        raise error


def test_a_run_takes_everything_that_a_training_logs(backend: Backend, key: str, bundle: Path) -> None:
    rows = bundle / "bundle.json"
    with backend.tracker.run(key, "one") as first, backend.tracker.run(key, "two") as second:
        assert first.run_id != second.run_id
        first.log_params({"learning_rate": 1e-3, "rank": 8, "target_modules": ["query", "value"]})
        first.log_metrics({"loss": 0.5}, step=1)
        first.log_metrics({"macro_f1": 0.5})
        first.log_tags({"snapshot_id": "00ff"})
        first.log_dataset(rows, "tickets-train", "ab" * 32, "training")
        first.log_table([{"label": "a", "f1": 0.5}, {"label": "b", "f1": None}], "per_class.json")
        first.log_folder(bundle, "bundle")
