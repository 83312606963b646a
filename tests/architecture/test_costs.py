"""Count the files that a new thing costs: those that name a real example of its kind."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, REPOSITORY, name_of, python_files, repository_files, syntax_of

# Thing: the most files that it may cost, and all names that its example goes by in code, as one pattern.
COSTS = {
    "a labeling kind whose head exists": (2, "Entities|entities"),
    "a head": (5, "Ordinal[A-Z][A-Za-z]*|LevelColumn|ordinal"),
    "an exporter": (1, "Conll|conll"),
    "a setting": (3, "hook_timeout_s"),
    "a command": (2, "move_state"),
    "a page": (2, "AuditPage|audit_log[.]html"),
    "a job kind": (2, "CompareJob|COMPARE"),
    "a selection strategy": (1, "EntropyStrategy|entropy_"),
    "a label source": (1, "Patterns|_PatternVoter|patterns"),
    "a runtime": (1, "OpenVino[A-Za-z0-9]*|openvino|openvino-int8"),
}
# What is looked for as an identifier only where it is written like a class or a constant: other things have such names.
LOWER_CASE = re.compile("[a-z]+")


@pytest.mark.parametrize("thing", COSTS)
def test_a_new_thing_costs_no_more_files_than_promised(thing: str) -> None:
    most, pattern = COSTS[thing]
    files = _files_that_name(re.compile(pattern))
    if thing == "a head":
        # A labeling kind names its head in a line of the kind's file, which is the price of the kind.
        files = {file for file in files if not file.startswith(name_of(PACKAGE / "tasks"))}
    assert 0 < len(files) <= most, f"{thing}, such as {pattern}, costs {len(files)} files: {', '.join(sorted(files))}"


def _files_that_name(example: re.Pattern[str]) -> set[str]:
    named = {name_of(path) for path in python_files(PACKAGE) if any(map(example.fullmatch, _names_in(path)))}
    others = (path for path in repository_files() if path.suffix in {".html", ".xml"})
    return named | {
        name_of(path)
        for path in others
        if path.is_relative_to(REPOSITORY / "label_config") or path.is_relative_to(PACKAGE)
        if example.fullmatch(path.name) or (path.suffix == ".xml" and example.fullmatch(path.stem))
    }


@cache
def _names_in(path: Path) -> frozenset[str]:
    """Identifiers of a module, and its strings: no word of a docstring or a message is a whole string."""
    names: set[str] = set()
    for node in ast.walk(syntax_of(path)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.ClassDef(name=name):
                names.update(() if LOWER_CASE.fullmatch(name) else (name,))
            case ast.FunctionDef(name=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
                names.update(() if LOWER_CASE.fullmatch(name) else (name,))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Constant(value=str(text)):
                names.add(text)
    return frozenset(names)
