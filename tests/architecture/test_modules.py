"""What a module looks like: its length, its docstring, its public names."""

import ast
from collections.abc import Iterator

from tests.architecture.tree import PACKAGE, exported_names, imported_modules, name_of, python_files, syntax_of

MOST_LINES = 400
REASON = f"# Longer than {MOST_LINES} lines because"
REASON_WITHIN_LINES = 10


def test_modules_are_short_or_say_why_not() -> None:
    too_long = {}
    for path in python_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MOST_LINES and not any(line.startswith(REASON) for line in lines[:REASON_WITHIN_LINES]):
            too_long[name_of(path)] = len(lines)
    assert too_long == {}, (
        f"at most {MOST_LINES} lines wanted: split a module by meaning, or write {REASON!r} and the reason into its "
        f"first {REASON_WITHIN_LINES} lines"
    )


def test_modules_say_what_they_are() -> None:
    silent = [name_of(path) for path in python_files(PACKAGE) if not ast.get_docstring(syntax_of(path))]
    assert silent == [], "wanted a docstring at the top"


def test_modules_list_their_public_names_and_they_exist() -> None:
    wrong = []
    for path in imported_modules():
        tree = syntax_of(path)
        names = set(_bound_names(tree.body))
        exported = exported_names(tree)
        if exported is None:
            own = _bound_names([node for node in tree.body if not isinstance(node, ast.Import)])
            # Without a list: a docstring, and a version at most.
            wrong += [] if all(name.startswith("__") for name in own) else [f"{name_of(path)}: no list of __all__"]
            continue
        wrong += [
            f"{name_of(path)}: __all__ names {name}, which is not there" for name in exported if name not in names
        ]
        wrong += [f"{name_of(path)}: __all__ names {name} twice" for name in exported if exported.count(name) > 1]
    assert wrong == []


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
