"""The repository's files, as the checks of its shape see them."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PACKAGE = REPOSITORY / "ml_backend"
# Alembic runs these; nobody imports them.
MIGRATIONS = PACKAGE / "storage" / "migrations"


@cache
def repository_files() -> tuple[Path, ...]:
    """Files that git tracks, or would track once added; ordered, those that are deleted left out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in sorted(set(listed.split("\0")) - {""}) if (path := REPOSITORY / name).is_file())


def python_files(root: Path = REPOSITORY) -> tuple[Path, ...]:
    """The Python files among them, below a folder."""
    return tuple(path for path in repository_files() if path.suffix == ".py" and path.is_relative_to(root))


def imported_modules() -> tuple[Path, ...]:
    """The package's modules that are there to be imported."""
    return tuple(path for path in python_files(PACKAGE) if not path.is_relative_to(MIGRATIONS))


def name_of(path: Path) -> str:
    """The path as a reader would write it."""
    return path.relative_to(REPOSITORY).as_posix()


@cache
def syntax_of(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def exported_names(tree: ast.Module) -> list[str] | None:
    """Return the names in a module's `__all__`; None where it has none."""
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() as value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.List() as value)
            ):
                names: list[str] = ast.literal_eval(value)
                return names
    return None


def absolute_imports(path: Path) -> Iterator[str]:
    """Top-level names of what a file imports from other packages, also inside functions."""
    for node in ast.walk(syntax_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def project_table() -> dict[str, Any]:
    """`[project]` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table
