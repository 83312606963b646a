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


@cache
def repository_files() -> tuple[Path, ...]:
    """Files that git tracks, or would track once added; ordered, those that are deleted left out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in sorted(set(listed.split("\0")) - {""}) if (path := REPOSITORY / name).is_file())


def python_files(root: Path = REPOSITORY) -> tuple[Path, ...]:
    """The Python files among them, below a folder."""
    return tuple(path for path in repository_files() if path.suffix == ".py" and path.is_relative_to(root))


def name_of(path: Path) -> str:
    """The path as a reader would write it."""
    return path.relative_to(REPOSITORY).as_posix()


@cache
def syntax_of(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


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
