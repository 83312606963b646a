"""What all formats have in common, and `rows`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.cli.app import app
from ml_backend.domain.example import Row, Span
from ml_backend.errors import ConfigurationError
from ml_backend.exporters.base import Exporter
from ml_backend.snapshots.store import SnapshotFolder
from tests.unit.exporters.builders import export, request, row, written

ENTITIES = '<Labels name="topic" toName="text"><Label value="PER"/></Labels>'
FORMATS = (
    "conll",
    "csv",
    "datasets",
    "label-studio",
    "openai-chat",
    "preferences",
    "prompt-completion",
    "rows",
    "spans",
)
ANY_TEXT = st.text(st.characters(exclude_categories=()))
LINES = [name for name in FORMATS if name not in ("datasets", "conll", "preferences", "spans")]


def test_every_format_of_the_folder_is_found_by_its_name() -> None:
    assert Exporter.names() == FORMATS
    assert [Exporter.named(name).name for name in Exporter.names()] == list(FORMATS)


def test_every_format_says_what_is_in_it_and_what_is_not_and_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
    for name in FORMATS:
        found = Exporter.named(name)
        assert found.description.endswith("."), name
        assert found.limits.endswith("."), name
        assert re.fullmatch(r"\.[a-z]+", found.suffix), name
        assert f"`{name}`" in page, name


def test_the_help_names_every_format() -> None:
    (command,) = (each.callback for each in app.registered_commands if each.callback.__name__ == "export")
    found = re.search(r"Formats: (.*?)\.", str(command.__doc__))
    assert found is not None
    assert found.group(1) == ", ".join(FORMATS)


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="unknown export format 'xlsx'; wanted one of conll, csv, datasets"):
        Exporter.named("xlsx")


@pytest.mark.parametrize("format_name", LINES)
def test_rows_are_taken_one_at_a_time(format_name: str, tmp_path: Path) -> None:
    """A long row has left memory, for the file, before the next one is asked for."""
    path = tmp_path / "file"
    sizes = []

    def rows() -> Iterator[Row]:
        for number in range(1, 4):
            yield row("x" * 100_000, number=number)
            sizes.append(path.stat().st_size)

    assert export(format_name, rows(), path).rows == 3
    assert 90_000 < sizes[0] < sizes[1] < sizes[2] <= path.stat().st_size


@pytest.mark.parametrize(
    ("format_name", "content"),
    [("rows", ""), ("openai-chat", ""), ("prompt-completion", ""), ("csv", "text,topic\r\n"), ("label-studio", "[]\n")],
)
def test_no_row_gives_an_empty_file_or_what_stands_around_rows(format_name: str, content: str, tmp_path: Path) -> None:
    assert written(format_name, [], tmp_path / "file") == content


@pytest.mark.parametrize("format_name", ["csv", "openai-chat", "prompt-completion", "label-studio", "rows"])
@given(text=ANY_TEXT, answer=st.sampled_from(["billing", "login"]))
def test_any_text_has_a_place_in_a_utf_8_file(
    format_name: str, text: str, answer: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = export(format_name, [row(text, answer)], tmp_path_factory.getbasetemp() / f"any-{format_name}")
    assert report.rows + sum(map(len, report.left_out.values())) == 1


@pytest.mark.parametrize("format_name", ["conll", "spans"])
@given(text=ANY_TEXT, ends=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=4))
def test_any_spans_have_a_place_in_a_file_or_are_counted(
    format_name: str, text: str, ends: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    spans = tuple(sorted({Span(a, b, "PER") for a, b in ends if a < b <= len(text)}))
    path = tmp_path_factory.getbasetemp() / f"any-{format_name}"
    report = export(format_name, [row(text, spans)], path, request(ENTITIES))
    path.read_bytes().decode()
    assert report.rows + sum(map(len, report.left_out.values())) == 1


def test_rows_come_back_from_json_lines_as_they_were(tmp_path: Path) -> None:
    rows = [row("Größe 🙂\n\u2028"), row("half \ud83d", ("b", "c"), 2), row("Anna", (Span(0, 4, "PER"),), 3)]
    assert [
        SnapshotFolder.row_from_line(line) for line in written("rows", rows, tmp_path / "f").split("\n")[:-1]
    ] == rows
