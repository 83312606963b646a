"""What a module looks like: its length, its docstring, its public names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, name_of, python_files, syntax_of

MOST_LINES = 400
REASON = f"# Longer than {MOST_LINES} lines because"
REASON_WITHIN_LINES = 10
# Alembic runs these; nobody imports them.
MIGRATIONS = PACKAGE / "storage" / "migrations"


@pytest.mark.parametrize("path", python_files(), ids=name_of)
def test_a_module_is_short_or_says_why_not(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    has_reason = any(line.startswith(REASON) for line in lines[:REASON_WITHIN_LINES])
    assert len(lines) <= MOST_LINES or has_reason, (
        f"{len(lines)} lines found, at most {MOST_LINES} wanted: split it by meaning, or write "
        f"{REASON!r} and the reason into its first {REASON_WITHIN_LINES} lines"
    )


@pytest.mark.parametrize("path", python_files(PACKAGE), ids=name_of)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(syntax_of(path)), "wanted a docstring at its top"


@pytest.mark.parametrize("path", python_files(PACKAGE), ids=name_of)
def test_a_module_lists_its_public_names_and_they_exist(path: Path) -> None:
    if path.is_relative_to(MIGRATIONS):
        pytest.skip("run by Alembic, imported by nobody")
    tree = syntax_of(path)
    names = set(_bound_names(tree.body))
    own = _bound_names([node for node in tree.body if not isinstance(node, ast.Import)])
    if all(name.startswith("__") for name in own):
        return  # a docstring, and a version at most
    exported = _exported(tree)
    assert exported is not None, "wanted __all__, a list of strings"
    assert [name for name in exported if name not in names] == [], "__all__ names what is not there"
    assert len(exported) == len(set(exported)), "__all__ names something twice"


def _exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() as value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.List() as value)
            ):
                names: list[str] = ast.literal_eval(value)
                return names
    return None


def _bound_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that the module's top level binds, below `if` and `try` as well."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.Assign(targets=targets):
                yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If(body=first, orelse=second) | ast.Try(body=first, orelse=second):
                yield from _bound_names([*first, *second])
