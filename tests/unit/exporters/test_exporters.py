import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy, Target
from ml_backend.domain.row_json import row_from_line
from ml_backend.errors import ConfigurationError, SnapshotError
from ml_backend.exporters import exporter, exporter_names

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def row(text: str, target: Target = "billing", number: int = 1, field: str = "text", control: str = "topic") -> Row:
    return Row(
        id=f"t{number}",
        task_id=number,
        input={field: text},
        targets={control: target},
        labels=(AnnotatorLabel("3", {control: target}, blind=True),),
        provenance=Provenance((7,), 2.5, PrelabelOutcome.CHANGED, SelectedBy.ACTIVE, "2026-01-01T12:00:00Z"),
    )


def written(format_name: str, rows: Iterable[Row]) -> str:
    target = io.StringIO(newline="")
    exporter(format_name).write(rows, target)
    return target.getvalue()


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_every_format_of_the_folder_is_found_by_its_name() -> None:
    assert exporter_names() == ("csv", "rows")
    assert [exporter(name).name for name in exporter_names()] == ["csv", "rows"]
    assert [exporter(name).suffix for name in exporter_names()] == [".csv", ".jsonl"]
    assert all(exporter(name).description.endswith(".") for name in exporter_names())


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="unknown export format 'xlsx'; wanted one of csv, rows"):
        exporter("xlsx")


@pytest.mark.parametrize("format_name", ["csv", "rows"])
def test_rows_are_written_one_at_a_time(format_name: str) -> None:
    """A row is in the file before the next one is asked for."""
    target = io.StringIO(newline="")
    sizes = []

    def rows() -> Iterator[Row]:
        for number in range(1, 4):
            yield row("text", number=number)
            sizes.append(len(target.getvalue()))

    assert exporter(format_name).write(rows(), target) == 3
    assert 0 < sizes[0] < sizes[1] < sizes[2] == len(target.getvalue())


@pytest.mark.parametrize("format_name", ["csv", "rows"])
def test_no_row_gives_an_empty_file(format_name: str) -> None:
    target = io.StringIO(newline="")
    assert exporter(format_name).write([], target) == 0
    assert target.getvalue() == ""


@given(st.lists(ANY_TEXT, max_size=4))
def test_rows_come_back_from_json_lines_as_they_were(texts: list[str]) -> None:
    rows = [row(text, number=number) for number, text in enumerate(texts)]
    assert [row_from_line(line) for line in written("rows", rows).split("\n")[:-1]] == rows


@pytest.mark.parametrize("format_name", ["csv", "rows"])
@given(text=ANY_TEXT)
def test_any_text_has_a_place_in_a_utf_8_file(format_name: str, text: str) -> None:
    written(format_name, [row(text)]).encode()


def test_the_table_has_a_column_per_field_and_per_target() -> None:
    assert written("csv", [row("Where is my card?"), row("Schöne Grüße 東京 🙂", "login")]) == (
        "text,topic\r\nWhere is my card?,billing\r\nSchöne Grüße 東京 🙂,login\r\n"
    )


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=4))
def test_values_come_back_from_the_table_as_they_were(values: list[tuple[str, str]]) -> None:
    table = written("csv", [row(text, label) for text, label in values])
    assert read_csv(table) == [["text", "topic"], *(list(pair) for pair in values)]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb", 'say "no"', "a,b", " a ", "", "=1+1", "\x00", "\u2028"])
def test_layout_and_formulas_in_a_text_stay_as_they_are(text: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    with file.open("w", encoding="utf-8", newline="") as target:
        assert exporter("csv").write([row(text)], target) == 1
    with file.open(encoding="utf-8", newline="") as lines:
        assert list(csv.reader(lines)) == [["text", "topic"], [text, "billing"]]


def test_a_target_that_is_named_like_a_field_has_a_column_of_its_own() -> None:
    assert read_csv(written("csv", [row("a text", field="topic", control="topic")])) == [
        ["topic", "topic_target"],
        ["a text", "billing"],
    ]


def test_several_names_in_a_target_are_a_json_list() -> None:
    assert read_csv(written("csv", [row("a text", ("Größe", "b, c"))]))[1] == ["a text", '["Größe", "b, c"]']


def test_half_a_surrogate_pair_in_the_table_is_replaced() -> None:
    assert read_csv(written("csv", [row("a\ud83db")]))[1] == ["a\ufffdb", "billing"]


def test_rows_of_another_shape_are_refused() -> None:
    rows = [row("a"), row("b", number=2, field="body")]
    with pytest.raises(SnapshotError, match="row t2 has the columns body, topic, the first row has text, topic"):
        written("csv", rows)
