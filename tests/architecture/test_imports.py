"""What may be imported where. The direction between our own packages is import-linter's part, in pyproject.toml."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, absolute_imports, name_of, project_table, python_files

HEAVY = frozenset(
    {
        "torch",
        "transformers",
        "peft",
        "sklearn",
        "mlflow",
        "label_studio_sdk",
        "matplotlib",
        "cleanlab",
        "altair",
        "openai",
        "vl_convert",
        "fsspec",
        "ray",
    }
)
NEEDED_BY_COMMANDS = frozenset({"sqlalchemy", "alembic", "pydantic", "flask", "gunicorn", "httpx", "rich", "numpy"})
# What an extra brings that may not be installed here, by the extra.
OPTIONAL = {"ray": "ray"}
# On GitHub alone, added by who deploys with it; everything runs without.
NOT_ON_A_REGISTRY = frozenset({"label_studio_ml"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import ml_backend.web.app"),
        ("-c", "import ml_backend.web.server"),
        ("-m", "ml_backend", "train", "--help"),
    ],
    ids=" ".join,
)
def test_starting_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported_by(*arguments) & HEAVY == set()


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)], ids=" ".join)
def test_help_imports_no_library_but_that_of_the_command_line(arguments: tuple[str, ...]) -> None:
    assert imported_by("-m", "ml_backend", *arguments) & (HEAVY | NEEDED_BY_COMMANDS) == set()


def imported_by(*arguments: str) -> set[str]:
    """Modules that a Python process imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent).stderr
    imported = {line.rpartition("|")[2].strip() for line in found.splitlines() if line.startswith("import time:")}
    assert "ml_backend" in imported
    return imported


def test_the_domain_needs_the_standard_library_alone() -> None:
    paths = [*python_files(PACKAGE / "domain"), PACKAGE / "errors.py"]
    others = {f"{name_of(path)}: {name}" for path in paths for name in _libraries(path)}
    assert others == set()


def test_every_imported_package_is_declared() -> None:
    needed = project_table()["dependencies"]
    declared = {name for each in needed for name in _names_of(re.split(r"[^\w.-]", each)[0])}
    declared |= {OPTIONAL[extra] for extra in OPTIONAL if extra in project_table()["optional-dependencies"]}
    undeclared = {
        f"{name_of(path)}: {name}"
        for path in python_files(PACKAGE)
        for name in _libraries(path) - NOT_ON_A_REGISTRY - {"ml_backend"} - declared
    }
    assert undeclared == set()


def _libraries(path: Path) -> set[str]:
    return set(absolute_imports(path)) - sys.stdlib_module_names


def _names_of(package: str) -> set[str]:
    """Return the names that an installed package lets others import."""
    try:
        installed = distribution(package)
    except PackageNotFoundError:
        return set()
    files = (installed.read_text("RECORD") or "").splitlines()
    return {re.split(r"[/,]", file)[0].removesuffix(".py") for file in files}
