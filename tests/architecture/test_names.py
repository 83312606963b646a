"""How much there is to know: public names, values, and one name for each class."""

import ast
from collections.abc import Iterator
from itertools import groupby

from tests.architecture.tree import PACKAGE, exported_names, imported_modules, name_of, python_files, syntax_of

# Ceilings, not aims, per 1,000 lines: what is public or a value has to be learned before the package can be changed.
# As dense as the package was at 42,600 lines, when it had 700 names and 150 dataclasses.
MOST_PUBLIC_NAMES = 16.6
MOST_DATACLASSES = 3.5


def test_no_class_name_occurs_twice() -> None:
    named = sorted((node.name, name_of(path)) for path in python_files(PACKAGE) for node in _classes(syntax_of(path)))
    places = {name: [path for _, path in group] for name, group in groupby(named, key=lambda pair: pair[0])}
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_the_package_has_few_public_names_and_dataclasses() -> None:
    trees = [syntax_of(path) for path in imported_modules()]
    public_names = sum(len(exported_names(tree) or ()) for tree in trees)
    dataclasses = sum(_is_dataclass(node) for tree in trees for node in _classes(tree))
    thousand_lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(PACKAGE)) / 1000
    assert public_names < MOST_PUBLIC_NAMES * thousand_lines, f"{public_names} entries of __all__ lists"
    assert dataclasses < MOST_DATACLASSES * thousand_lines, f"{dataclasses} dataclasses"


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
