"""Kinds of sources that run nobody's code, and what rationales may return."""

from pathlib import Path

import pytest

from ml_backend.domain.source import AnswerForm
from ml_backend.errors import SourceError
from ml_backend.sources.kinds.base import AskedControl, Loading, SourceKind, Voter
from ml_backend.sources.text import TaskText

PLACES = AskedControl("places", AnswerForm.SPANS, ("City", "Paper", "Order"), "text")
TOPIC = AskedControl("topic", AnswerForm.ONE, ("Billing", "Shipping"))
TAGS = AskedControl("tags", AnswerForm.SEVERAL, ("Angry", "Urgent"))


def loaded(folder: Path, kind: str, *controls: AskedControl, marked: dict | None = None) -> tuple[list[Voter], Loading]:
    loading = Loading(folder, controls, marked or {}, lambda _file: True)
    return list(SourceKind.all()[kind]().load(loading)), loading


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text, encoding="utf-8")


def marks(voters: list[Voter], text: str) -> list[tuple[str, str]]:
    """The pieces of the text that are marked, with their labels."""
    return [(text[start:end], label) for voter in voters for _, label, start, end in voter.votes(TaskText.of(text))]


def test_of_overlapping_entries_of_all_lists_the_longest_wins_at_the_borders_of_words(tmp_path: Path) -> None:
    write(tmp_path, "gazetteers/City.txt", "New York\nYork\n# a comment\n\nParis\n")
    write(tmp_path, "gazetteers/Paper.txt", "New York Times\n")
    voters, _ = loaded(tmp_path, "gazetteer", PLACES)
    assert marks(voters, "The new york times, New York; York or Parisian") == [
        ("new york times", "Paper"),
        ("New York", "City"),
        ("York", "City"),
    ]


def test_a_list_may_heed_case_know_inflections_and_name_its_label(tmp_path: Path) -> None:
    write(tmp_path, "gazetteers/brands.txt", "Apple\n")
    write(tmp_path, "gazetteers/goods.csv", "entry,label\ncitrus fruit,Order\n")
    settings = '[brands]\nlabel = "Paper"\ncase = true\n[goods]\ninflections = "english"\nreason = "Sold by weight."\n'
    write(tmp_path, "gazetteers/settings.toml", settings)
    voters, loading = loaded(tmp_path, "gazetteer", PLACES)
    assert marks(voters, "Apple, apple, Citrus fruits") == [("Apple", "Paper"), ("Citrus fruits", "Order")]
    assert [source.reason for source in voters[0].sources] == ["", "Sold by weight."]
    assert loading.faults == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("gazetteers/Town.txt", "Rome", "label 'Town' found; the control 'places' offers City, Paper, Order"),
        ("gazetteers/City.tsv", "Rome", "a file that ends in '.tsv' found; wanted .txt or .csv"),
        ("gazetteers/City.csv", "name\nRome", "columns name found; wanted `entry`, and `label`"),
        ("gazetteers/City.txt", "Rome\n...", "entry '...' found; wanted words"),
        ("gazetteers/settings.toml", "[City]\ncase = true", "'City' found; the lists are none"),
        ("gazetteers/settings.toml", "[City]\nfold = 1", "Extra inputs are not permitted"),
    ],
)
def test_a_list_that_cannot_be_used_is_left_out_whole_with_the_reason(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    write(tmp_path, name, text)
    voters, loading = loaded(tmp_path, "gazetteer", PLACES)
    assert voters == []
    assert problem in loading.faults[0].problem
    assert loading.faults[0].source == name


def test_lists_answer_choices_with_their_label_once(tmp_path: Path) -> None:
    write(tmp_path, "gazetteers/Billing.txt", "invoice\nreceipt\n")
    voters, _ = loaded(tmp_path, "gazetteer", TOPIC)
    assert list(voters[0].votes(TaskText.of("an invoice, a receipt"))) == [(0, "Billing", 0, 0)]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("order number|no? [ {X+-d+} ]", "Orders AB-12, order no CD-3, order EF", ["AB-12", "CD-3"]),
        ("{Xx+} {Xx+}", "Anna Berg met Carl", ["Anna Berg"]),
        ("_? street", "Long Street; street", ["Long Street", "street"]),
        ("very+ late", "very very late, late", ["very very late"]),
        ("e-mail", "two e-mails", ["e-mails"]),
        ("{d+} euro*", "5 euros", ["5 euros"]),
    ],
    ids=["marked part", "shapes", "any word", "repeats", "several tokens", "none or more"],
)
def test_patterns_mark_words_and_shapes(tmp_path: Path, pattern: str, text: str, expected: list[str]) -> None:
    write(tmp_path, "patterns/p.toml", f'[[patterns]]\nlabel = "Order"\npattern = "{pattern}"\n')
    voters, loading = loaded(tmp_path, "pattern", PLACES)
    assert loading.faults == []
    assert [piece for piece, _ in marks(voters, text)] == expected


@pytest.mark.parametrize("pattern", ["", "[ ]", "a [ b", "] a [", "{}", "a| b"])
def test_a_pattern_that_cannot_be_read_is_a_fault(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, "patterns/p.toml", f'[[patterns]]\nname = "it"\nlabel = "Order"\npattern = "{pattern}"\n')
    voters, loading = loaded(tmp_path, "pattern", PLACES)
    assert voters == []
    assert [fault.source for fault in loading.faults] == ["it"]


def test_a_misspelt_table_of_patterns_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, "patterns/p.toml", '[[pattern]]\nlabel = "Order"\npattern = "it"\n')
    _, loading = loaded(tmp_path, "pattern", PLACES)
    assert "patterns Field required" in loading.faults[0].problem


def test_what_people_marked_is_found_elsewhere_in_the_same_spelling(tmp_path: Path) -> None:
    voters, _ = loaded(tmp_path, "marked before", PLACES, marked={"places": {"City": ["Bath", "Bath"]}})
    assert marks(voters, "Bath has a bath. Bath!") == [("Bath", "City"), ("Bath", "City")]
    assert voters[0].sources[0].learns


RETURNS = """
import re
from ml_backend.sources.writing import rationale

@rationale({label!r})
def answer(text):
    return {expression}
"""


@pytest.mark.parametrize(
    ("control", "label", "expression", "expected"),
    [
        (TOPIC, "Billing", "True", [(0, "Billing", 0, 0)]),
        (TOPIC, "Billing", "None", []),
        (TOPIC, "Billing", "text.mentions('absent')", []),
        (TOPIC, "Billing", "re.search('b.ll', text)", [(0, "Billing", 0, 0)]),
        (TOPIC, None, "'Shipping'", [(0, "Shipping", 0, 0)]),
        (TAGS, None, "['Urgent', 'Angry']", [(0, "Angry", 0, 0), (0, "Urgent", 0, 0)]),
        (PLACES, "Order", "text.mentions('bill')", [(0, "Order", 2, 6)]),
        (PLACES, "Order", "re.search('b.ll', text)", [(0, "Order", 2, 6)]),
        (PLACES, "Order", "(2, 6)", [(0, "Order", 2, 6)]),
        (PLACES, None, "[(2, 6, 'City'), (0, 1, 'Paper')]", [(0, "City", 2, 6), (0, "Paper", 0, 1)]),
        (PLACES, "Order", "[]", []),
    ],
)
def test_rationales_may_return(
    tmp_path: Path, control: AskedControl, label: str | None, expression: str, expected: list
) -> None:
    assert list(rationale_of(tmp_path, control, label, expression).votes(TaskText.of("a bill"))) == expected


@pytest.mark.parametrize(
    ("control", "label", "expression", "problem"),
    [
        (TOPIC, None, "'Refunds'", "label 'Refunds' found; the control 'topic' offers Billing, Shipping"),
        (TOPIC, None, "True", "no label returned; give the rationale a label"),
        (TOPIC, None, "['Billing', 'Shipping']", "labels Billing, Shipping returned; the control 'topic' takes one"),
        (TOPIC, "Billing", "3", "3 returned; wanted True, a label"),
        (PLACES, "Order", "(2, 60)", "the piece from 2 to 60 returned; the text ends at 6"),
        (PLACES, "Order", "(4, 4)", "the piece from 4 to 4 returned"),
        (PLACES, "Order", "True", "True returned; wanted (start, end)"),
    ],
)
def test_a_bad_return_says_what_was_wanted(
    tmp_path: Path, control: AskedControl, label: str | None, expression: str, problem: str
) -> None:
    with pytest.raises(SourceError) as raised:
        list(rationale_of(tmp_path, control, label, expression).votes(TaskText.of("a bill")))
    assert problem in str(raised.value)


def test_a_rationale_names_its_control_where_there_are_several(tmp_path: Path) -> None:
    write(tmp_path, "reasons.py", RETURNS.format(label="Billing", expression="True"))
    voters, loading = loaded(tmp_path, "rationale", TOPIC, TAGS)
    assert voters == []
    assert loading.faults[0].sentence == (
        "reasons.py:5: answer: no control found; wanted one of 'topic', 'tags'; it is left out"
    )


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def answer(text): return True", "no rationale found; wanted @rationale over functions"),
        ("from ml_backend.sources.writing import rationale\n@rationale\ndef answer(text): ...", "wanted parentheses"),
    ],
)
def test_a_forgotten_decorator_and_forgotten_parentheses_are_faults(tmp_path: Path, code: str, problem: str) -> None:
    write(tmp_path, "reasons.py", code)
    voters, loading = loaded(tmp_path, "rationale", TOPIC)
    assert voters == []
    assert problem in loading.faults[0].problem


def rationale_of(folder: Path, control: AskedControl, label: str | None, expression: str) -> Voter:
    write(folder, "reasons.py", RETURNS.format(label=label, expression=expression))
    (voter,), _ = loaded(folder, "rationale", control)
    return voter
