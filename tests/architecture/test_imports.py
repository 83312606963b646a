"""What may be imported where. The direction between our own packages is import-linter's part, in pyproject.toml."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
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
    }
)
NEEDED_BY_COMMANDS = frozenset({"sqlalchemy", "alembic", "pydantic", "flask", "gunicorn", "httpx", "rich", "numpy"})
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


@pytest.mark.parametrize("path", [*python_files(PACKAGE / "domain"), PACKAGE / "errors.py"], ids=name_of)
def test_the_domain_needs_the_standard_library_alone(path: Path) -> None:
    assert set(absolute_imports(path)) - sys.stdlib_module_names == set()


def test_every_imported_package_is_declared() -> None:
    declared = {_canonical(re.split(r"[^\w.-]", needed)[0]) for needed in project_table()["dependencies"]}
    distributions = packages_distributions()
    undeclared = {
        f"{name_of(path)}: {name}"
        for path in python_files(PACKAGE)
        for name in set(absolute_imports(path)) - sys.stdlib_module_names - NOT_ON_A_REGISTRY - {"ml_backend"}
        if not declared & {_canonical(distribution) for distribution in distributions.get(name, [])}
    }
    assert undeclared == set()


def _canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
