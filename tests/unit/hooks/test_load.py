"""Finding hooks: entry points of installed packages, and the setting."""

import sys
from pathlib import Path

import pytest

from ml_backend.errors import ConfigurationError
from ml_backend.hooks.manager import load_hooks
from tests.unit.hooks.builders import Marking, changed, row

MODULE = """
from dataclasses import replace
from ml_backend.hooks import hookimpl

class Shout:
    @hookimpl
    def row_read(self, row):
        return replace(row, input={name: text.upper() for name, text in row.input.items()})

shout = Shout()

@hookimpl
def row_read(row):
    return replace(row, input={name: text + "?" for name, text in row.input.items()})
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module on the path, which is forgotten after the test."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "their_hooks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "their_hooks", raising=False)
    return tmp_path / "site"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("their_hooks:Shout", "A"),
        ("their_hooks:shout", "A"),
        ("their_hooks", "a?"),
        (" their_hooks , their_hooks:Shout", "A?"),
    ],
)
def test_the_setting_names_classes_objects_and_modules(package: Path, name: str, text: str) -> None:
    hooks = load_hooks(name, 5, {})
    assert [each.input["text"] for each in changed(hooks, row("a"))] == [text]


def test_entry_points_are_found(package: Path) -> None:
    info = package / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[labelloop]\nshouting = their_hooks:Shout\n")
    hooks = load_hooks("", 5, {})
    assert hooks.names == ("shouting",)
    assert [each.input["text"] for each in changed(hooks, row("a"))] == ["A"]


def test_what_labelloop_brings_has_the_last_word(package: Path) -> None:
    hooks = load_hooks("their_hooks:Shout", 5, {"mine": Marking("x")})
    assert [each.input["text"] for each in changed(hooks, row("a"))] == ["Ax"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:Hook", "'nowhere:Hook' of LABELLOOP_HOOKS cannot be loaded .ModuleNotFoundError"),
        ("their_hooks:Missing", "cannot be loaded .AttributeError"),
        ("json:dumps", "the hook json:dumps has no function with the mark"),
        ("their_hooks,their_hooks", "the hook their_hooks cannot be used"),
    ],
)
def test_what_cannot_be_loaded_stops_the_start(package: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_hooks(name, 5, {})
