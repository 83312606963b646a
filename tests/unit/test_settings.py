"""Settings that cannot work stop every command at its start, and those that can do not."""

import re
from itertools import product
from pathlib import Path

import pytest

from ml_backend.config import load_settings
from ml_backend.errors import ConfigurationError
from ml_backend.options import Options

DATABASE, MLFLOW = "LABELLOOP_DATABASE_URL", "LABELLOOP_MLFLOW_URL"
PASSWORD = {"LABELLOOP_PASSWORD": "secret-1", "LABELLOOP_WEBHOOK_PASSWORD": "secret-2"}
TIMES = ("STUDIO_TIMEOUT_S", "DRAFT_BUDGET_S", "HOOK_TIMEOUT_S", "JOB_HEARTBEAT_TIMEOUT_S")
SECRETS = ("PASSWORD", "WEBHOOK_PASSWORD", "STUDIO_TOKEN", "TEXT_SERVER_KEY")


def refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """Return the error message for such settings, which is one line."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *product(TIMES, ["nan", "inf", "-1", "0", "1e-9", "1e18", "soon"]),
        ("RETRAIN_DEBOUNCE_S", "nan"),
        ("RETRAIN_INTERVAL_S", "inf"),
        ("RETRAIN_INTERVAL_S", "-0.1"),
        ("FLAG_PRECISION_FLOOR", "nan"),
        ("FLAG_PRECISION_FLOOR", "20%"),
        ("JOB_HEARTBEAT_TIMEOUT_S", "5"),
        ("SEED", str(2**32)),
        ("SEED", "-1"),
        ("SEED", "1.5"),
        ("JOBS_AT_ONCE", "0"),
        ("JOBS_AT_ONCE", str(2**40)),
        ("JOB_ATTEMPTS", "-3"),
        ("MODEL_MEMORY_MB", "-1"),
        ("PREDICTION_CACHE_MB", "many"),
        ("PUSH_FLAGS_AT_MOST", str(10**30)),
        ("RETRAIN_AFTER", "-50"),
        ("THREADS", "0"),
        ("PORT", "65536"),
        ("RUNTIME", "cuda"),
        ("LOG_LEVEL", "chatty"),
        ("AUTO_PUSH", "maybe"),
    ],
)
def test_numbers_and_names_are_refused_that_are_out_of_bounds(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal(monkeypatch, **{f"LABELLOOP_{name}": value}).startswith(f"LABELLOOP_{name}: '{value}' found; input")


@pytest.mark.parametrize("name", ["STUDIO_URL", "PUBLIC_URL", "TEXT_SERVER_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "localhost:8080",
        "ftp://host",
        "https:///path",
        "http://:9090",
        "http://host:",
        "http://host:0",
        "http://host:99999",
        "http://host:port",
        "https://[::1",
        "http://two words",
        "http://host/\npath",
        "https://host?project=1",
        "https://host/#top",
        "http://me:hidden@host",
    ],
)
def test_urls_are_refused_that_no_path_can_be_added_to(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(monkeypatch, **{f"LABELLOOP_{name}": value})

    assert said.startswith(f"LABELLOOP_{name}: ")
    assert "wanted a URL such as http://host:8080" in said
    assert "hidden" not in said


@pytest.mark.parametrize(
    "value",
    [
        "sqlite:///:memory:",
        "sqlite:///?mode=memory",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:a?mode=memory&uri=true",
        "sqlite+aiosqlite:///a.db",
        "labelloop.db",
        "postgres://u:hidden@host/db",
        "mysql+pymysql://u:hidden@host/db",
        "oracle://u:hidden@host/db",
        "postgresql+asyncpg://u:hidden@host/db",
        "postgresql://u:hidden@host:port/db",
        "http://u:hidden@host",
    ],
)
def test_databases_are_refused_that_cannot_hold_the_state(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(monkeypatch, **{DATABASE: value})

    assert said.startswith(f"{DATABASE}: ")
    assert "such as sqlite:////data/labelloop.db or postgresql+psycopg://" in said
    assert "hidden" not in said


REFUSED = {
    ("STUDIO_URL", "{!r} found; wanted a URL"): [""],
    ("NOTIFY_URL", "{!r} found"): ["hooks.example.com", "https://", "http://host:70000/x?y=z"],
    ("HOST", "{!r} found; wanted an address or a host name alone"): [
        *("", "http://0.0.0.0", "localhost:80", "a host", "-", "[::]", "*"),
    ],
    ("MLFLOW_URL", ""): ["sqlite:///:memory:", "mlruns", "file:///mlruns", "http://", "s3://bucket", "oracle://h/d"],
    ("USER", ""): ["", "first:last", "webhook", "Jürgen", "two\nlines", " padded"],
    ("SPLIT", "split "): [
        *("0.8,nan,0.1", "nan,nan,nan", "inf,-inf,1", "1.2,-0.1,-0.1", "0,0.5,0.5", "0.8,0.2", "8:1:1"),
    ],
}
"""Values that cannot work, by setting and by what is said of them."""


@pytest.mark.parametrize(
    ("name", "problem", "value"), [(*setting, value) for setting, values in REFUSED.items() for value in values]
)
def test_each_setting_is_refused_that_cannot_work(
    name: str, problem: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal(monkeypatch, **PASSWORD | {f"LABELLOOP_{name}": value})

    assert said.startswith(f"LABELLOOP_{name}: {problem.format(value)}")


def test_the_state_and_mlflow_need_a_database_each(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://u:p@host/db"

    assert "wanted a database each" in refusal(monkeypatch, **{DATABASE: url, MLFLOW: url})


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["geheimnis\n", "schlüssel", "пароль", "a\tb", " padded", "padded "])
def test_secrets_are_refused_that_no_header_carries_unchanged_and_are_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal(monkeypatch, **PASSWORD | {f"LABELLOOP_{name}": value})

    assert said.startswith(f"LABELLOOP_{name}: ")
    assert value.strip() not in said


@pytest.mark.parametrize(
    "value", ["reviewed", "agreement:-1", "agreement:two", "approved:review", "approved:=ok", "submitted:2", ""]
)
def test_review_rules_are_refused_that_there_are_not(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "set LABELLOOP_REVIEW_RULE to one" in refusal(monkeypatch, LABELLOOP_REVIEW_RULE=value)


def test_a_home_is_refused_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()

    assert refusal(monkeypatch, LABELLOOP_HOME=str(tmp_path / "file")).startswith("LABELLOOP_HOME: ")
    assert "question mark" in refusal(monkeypatch, LABELLOOP_HOME=str(tmp_path / "why?"))


def test_every_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(monkeypatch, LABELLOOP_SEED="x", LABELLOOP_BASE_MODEL=" ", LABELLOOP_THREADS="0")

    assert re.findall(r"LABELLOOP_\w+", said) == ["LABELLOOP_THREADS", "LABELLOOP_BASE_MODEL", "LABELLOOP_SEED"]


@pytest.mark.parametrize(
    ("name", "value", "used"),
    [
        ("studio_url", "https://studio.example.com/label/", "https://studio.example.com/label"),
        ("public_url", "http://[fe80::1]:9090", "http://[fe80::1]:9090"),
        ("text_server_url", "", ""),
        ("notify_url", "https://me:pass@hooks.example.com/a?token=b", "https://me:pass@hooks.example.com/a?token=b"),
        ("mlflow_url", "https://me:pass@mlflow.example.com", "https://me:pass@mlflow.example.com"),
        ("mlflow_url", "mysql+pymysql://u:p@host/db", "mysql+pymysql://u:p@host/db"),
        ("database_url", "postgresql+psycopg://u:p%40@/db?host=/run", "postgresql+psycopg://u:p%40@/db?host=/run"),
        ("database_url", "sqlite:///here.db", "sqlite:///here.db"),
        ("host", "::1", "::1"),
        ("host", "my_service.internal", "my_service.internal"),
        ("user", "label loop", "label loop"),
        ("seed", "4294967295", "4294967295"),
        ("split", "1,0,0", "1,0,0"),
        ("retrain_interval_s", "0", "0.0"),
        ("review_rule", "approved: review = ok", "approved: review = ok"),
    ],
)
def test_what_can_work_is_taken(name: str, value: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, given in {**PASSWORD, f"LABELLOOP_{name.upper()}": value}.items():
        monkeypatch.setenv(variable, given)

    assert load_settings().environment()[f"LABELLOOP_{name.upper()}"] == used


def test_an_address_of_ipv6_stands_in_brackets_before_the_port() -> None:
    settings = Options(host="fd00::7", password="secret-1", webhook_password="secret-2")

    assert settings.backend.url == "http://[fd00::7]:9090"
