"""`spans` and `conll`."""

import json
from pathlib import Path

import pytest

from ml_backend.domain.example import Row, Span
from ml_backend.errors import ConfigurationError
from ml_backend.exporters.base import Exporter
from tests.unit.exporters.builders import export, request, row, written

LABELS = '<Labels name="who" toName="text"><Label value="PER"/><Label value="LOC"/><Label value="FULL NAME"/></Labels>'
ASKED = request(LABELS)
TEXT = "😀 Bob went to Paris 👩‍👩‍👧 with Zoë."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "entities"


def marked(text: str, *spans: Span, number: int = 1) -> Row:
    return row(text, tuple(sorted(spans)), number, control="who")


def tags(path: Path, text: str, *spans: Span) -> list[tuple[str, str]]:
    lines = written("conll", [marked(text, *spans)], path, ASKED).splitlines()
    assert (lines[:2], lines[-1]) == (["-DOCSTART- -X- _ O", ""], "")
    columns = [line.split(" ") for line in lines[2:-1]]
    assert {(len(column), column[1], column[2]) for column in columns} == {(4, "-X-", "_")}
    return [(column[0], column[3]) for column in columns]


def test_spans_keep_positions_overlaps_and_any_character(path: Path) -> None:
    spans = (Span(2, 5, "PER"), Span(14, 19, "LOC"), Span(31, 34, "PER"), Span(2, 19, "LOC"))
    assert json.loads(written("spans", [marked(TEXT, *spans)], path, ASKED)) == {
        "id": "task-1",
        "task_id": 1,
        "text": TEXT,
        "spans": [
            {"start": 2, "end": 5, "label": "PER", "text": "Bob"},
            {"start": 2, "end": 19, "label": "LOC", "text": "Bob went to Paris"},
            {"start": 14, "end": 19, "label": "LOC", "text": "Paris"},
            {"start": 31, "end": 34, "label": "PER", "text": "Zoë"},
        ],
    }


def test_a_text_without_entities_is_written(path: Path) -> None:
    assert json.loads(written("spans", [marked("nobody")], path, ASKED))["spans"] == []


@pytest.mark.parametrize(
    ("text", "spans", "wanted"),
    [
        ("nobody", [], ["nobody O"]),
        (
            "Ann Lee lives in Paris.",
            [Span(0, 7, "PER"), Span(17, 22, "LOC")],
            ["Ann B-PER", "Lee I-PER", "lives O", "in O", "Paris B-LOC", ". O"],
        ),
        ("Ann Lee", [Span(0, 3, "PER"), Span(4, 7, "PER")], ["Ann B-PER", "Lee B-PER"]),
        ("Berlinreise", [Span(0, 6, "LOC")], ["Berlin B-LOC", "reise O"]),
        ("Ann", [Span(0, 3, "FULL NAME")], ["Ann B-FULL_NAME"]),
    ],
    ids=["no entity", "IOB2", "neighbours of one label", "a span within a word cuts it", "spaces in a label"],
)
def test_tokens_have_tags(path: Path, text: str, spans: list[Span], wanted: list[str]) -> None:
    assert [f"{token} {tag}" for token, tag in tags(path, text, *spans)] == wanted


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("सीता मुंबई में है।", "मुंबई", ["सीता O", "मुंबई B", "में O", "है O", "। O"]),
        ("Mu\u0308ller in Zu\u0308rich", "Zu\u0308rich", ["Mu\u0308ller O", "in O", "Zu\u0308rich B"]),
        ("நான் சென்னையில்", "சென்னை", ["நான் O", "சென்னை B", "யில் O"]),
        ("我住在北京。", "北京", ["我 O", "住 O", "在 O", "北 B", "京 I", "。 O"]),
        ("東京タワーへ", "タワー", ["東 O", "京 O", "タワー B", "へ O"]),
        ("อยู่กรุงเทพ", "กรุง", ["อ O", "ยู่ O", "ก B", "รุ I", "ง I", "เ O", "ท O", "พ O"]),
        ("\u202bאני בְּחֵיפָה\u202c", "חֵיפָה", ["אני O", "בְּ O", "חֵיפָה B"]),
        ("👩\u200d👩\u200d👧 Zoe\u0301!", "Zoe\u0301", ["👩\u200d👩\u200d👧 O", "Zoe\u0301 B", "! O"]),
    ],
)
def test_tokens_of_any_script_are_whole_words_within_the_marks(
    path: Path, text: str, name: str, wanted: list[str]
) -> None:
    found = tags(path, text, Span(text.index(name), text.index(name) + len(name), "LOC"))

    assert [f"{token} {tag[0]}" for token, tag in found] == wanted


def test_of_overlapping_entities_the_longest_is_kept_and_the_others_are_counted(path: Path) -> None:
    rows = [marked("Bob Lee of Paris", Span(0, 7, "PER"), Span(4, 7, "PER"), Span(4, 16, "LOC")), marked("Ann")]
    report = export("conll", rows, path, ASKED)
    assert [line.rpartition(" ")[2] for line in path.read_text().splitlines()[2:6]] == ["O", "B-LOC", "I-LOC", "I-LOC"]
    assert report.notices == ["2 entities in 1 rows overlap a longer one and are left out (task 1)"]


def test_texts_without_a_token_are_left_out_by_task(path: Path) -> None:
    rows = [marked(" \n\u200b", number=4), marked("a b", Span(1, 2, "PER"), number=5)]
    report = export("conll", rows, path, ASKED)
    assert report.rows == 0
    assert {reason: list(ids) for reason, ids in report.left_out.items()} == {
        "the text has no token": [4],
        "an entity holds no token": [5],
    }


def test_the_document_starts_once(path: Path) -> None:
    assert written("conll", [marked("a"), marked("b")], path, ASKED) == (
        "-DOCSTART- -X- _ O\n\na -X- _ O\n\nb -X- _ O\n\n"
    )


@pytest.mark.parametrize("format_name", ["conll", "spans"])
def test_a_control_without_entities_is_refused(format_name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the format {format_name} holds entities, and 'topic' is answered"):
        Exporter.named(format_name).check(request())
    Exporter.named(format_name).check(ASKED)
