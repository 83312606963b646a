"""`csv`."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.example import Row, Span
from ml_backend.exporters.base import ExportRequest
from tests.unit.exporters.builders import TOPIC, export, request, row, written

BOTH = (
    f'{TOPIC}<Choices name="tone" toName="text" choice="single"><Choice value="calm"/><Choice value="cross"/></Choices>'
)
RAW = request(keeps_formulas=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def read_csv(path: Path, rows: list[Row], asked: ExportRequest | None = None) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written("csv", rows, path, asked), newline="")))


def test_the_table_has_a_column_per_field_and_per_control(path: Path) -> None:
    assert written("csv", [row("Where is my card?"), row("Schöne Grüße 東京 🙂", "login")], path) == (
        "text,topic\r\nWhere is my card?,billing\r\nSchöne Grüße 東京 🙂,login\r\n"
    )


def test_an_answer_that_a_row_lacks_is_an_empty_cell(path: Path) -> None:
    rows = [row("a", targets={"tone": "calm"}), row("b", targets={"topic": "login"})]
    assert read_csv(path, rows, request(BOTH)) == [["text", "topic", "tone"], ["a", "", "calm"], ["b", "login", ""]]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", '=HYPERLINK("http://x")', "=cmd|' /C calc'!A0"],
)
def test_a_cell_that_a_spreadsheet_would_calculate_starts_with_an_apostrophe(path: Path, text: str) -> None:
    report = export("csv", [row(text), row("1+1")], path)
    with path.open(encoding="utf-8", newline="") as lines:
        assert list(csv.reader(lines)) == [["text", "topic"], ["'" + text, "billing"], ["1+1", "billing"]]
    assert report.notices == ["1 cells start like a formula and got an apostrophe in front (--raw-cells keeps them)"]


def test_labels_and_names_of_columns_are_cells_too(path: Path) -> None:
    config = '<Choices name="-x" toName="text"><Choice value="=a"/><Choice value="b"/></Choices>'
    assert read_csv(path, [row("t", "=a", control="-x")], request(config)) == [["text", "'-x"], ["t", "'=a"]]


@given(st.lists(st.tuples(st.text(), st.sampled_from(["billing", "login"])), min_size=1, max_size=4))
def test_values_come_back_from_raw_cells_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "raw.csv"
    rows = [row(text, label) for text, label in values]
    assert read_csv(path, rows, RAW) == [["text", "topic"], *(list(pair) for pair in values)]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb", 'say "no"', "a,b", " a ", "", "=1+1", "\x00", "\u2028"])
def test_layout_and_formulas_in_raw_cells_stay_as_they_are(path: Path, text: str) -> None:
    assert read_csv(path, [row(text)], RAW) == [["text", "topic"], [text, "billing"]]


def test_a_control_that_is_named_like_the_field_has_a_column_of_its_own(path: Path) -> None:
    asked = request(TOPIC, field="topic")
    assert read_csv(path, [row("a text", field="topic")], asked) == [["topic", "topic_target"], ["a text", "billing"]]


def test_several_names_and_entities_are_json(path: Path) -> None:
    rows = [row("a text", ("Größe", "b, c")), row("Anna", (Span(0, 4, "PER"),))]
    assert [line[1] for line in read_csv(path, rows)[1:]] == [
        '["Größe", "b, c"]',
        '[{"start": 0, "end": 4, "label": "PER"}]',
    ]


def test_half_a_surrogate_pair_is_replaced(path: Path) -> None:
    assert read_csv(path, [row("a\ud83db")])[1] == ["a\ufffdb", "billing"]
