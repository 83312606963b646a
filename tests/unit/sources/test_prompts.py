"""Prompts become requests, and answers of a language model become votes."""

import json
import math
from pathlib import Path

import pytest

from ml_backend.domain.example import Span
from ml_backend.domain.label_config import Label
from ml_backend.domain.source import AnswerForm
from ml_backend.serving.chat import Completion
from ml_backend.sources.kinds.base import AskedControl, Loading
from ml_backend.sources.prompts import LabelPrompt, PromptFile

LABELS = {
    "topic": (Label("bill", "Billing", "Money."), Label("ship", "Shipping"), Label("ship_late", "Late shipping")),
    "tags": (Label("Angry", "Angry"), Label("Urgent", "Urgent")),
    "places": (Label("City", "City"), Label("River", "River")),
}
FORMS = {"topic": AnswerForm.ONE, "tags": AnswerForm.SEVERAL, "places": AnswerForm.SPANS}
TEXT = "From York by the Ouse to new  york, and York again; Yorkshire."


def control(name: str) -> AskedControl:
    return AskedControl(name, FORMS[name], tuple(label.value for label in LABELS[name]), "text")


def prompt(name: str, **facts: object) -> LabelPrompt:
    return LabelPrompt(PromptFile(**facts), control(name), LABELS[name], "asked")


def parts(name: str, written: str, text: str = TEXT) -> list[tuple[str, int, int]]:
    return [part for part, _ in prompt(name).votes([Completion(written)], text).parts]


def quoted(written: str) -> list[tuple[str, int]]:
    return [(TEXT[start:end], start) for _, start, end in parts("places", written)]


def test_the_prompt_has_guidelines_labels_as_people_see_them_and_examples_as_turns() -> None:
    asked = prompt("topic", guidelines="Look at the wish.", hints={"ship": "Parcels."})
    request = asked.request("Where is it?", [("My bill", "bill"), ("My parcel", "ship")])

    roles, texts = zip(*request.turns, strict=True)
    assert roles == ("user", "assistant", "user", "assistant", "user")
    assert "Look at the wish." in texts[0]
    assert "- Billing: Money.\n- Shipping: Parcels.\n- Late shipping\n" in texts[0]
    assert texts[0].endswith("Text:\nMy bill")
    assert texts[1:4] == ('{"label": "Billing"}', "Text:\nMy parcel", '{"label": "Shipping"}')
    assert texts[4].startswith("Text:\nWhere is it?\n\nChoose the one label")
    assert request.schema["properties"]["label"]["enum"] == ["Billing", "Shipping", "Late shipping"]
    assert request.temperature == 0
    assert prompt("topic", samples=3).request("x", []).temperature > 0


def test_examples_of_labels_and_of_pieces_are_written_as_they_are_asked_for() -> None:
    tags = prompt("tags").request("x", [("y", ("Angry", "Urgent"))])
    assert json.loads(tags.turns[1][1]) == {"labels": ["Angry", "Urgent"]}
    places = prompt("places").request("x", [("In York", (Span(3, 7, "City"),))])
    assert json.loads(places.turns[1][1]) == {"pieces": [{"text": "York", "label": "City"}]}


@pytest.mark.parametrize(
    "written",
    [
        '{"label": "Billing"}',
        'Sure! ```json\n{"label": "billing"}\n```',
        '{"category": "bill"}',
        '"Billing".',
        "The label is Billing, since it is about money.",
        'JSON:\n{\n  "label": "Billing: Money. Shipping',
    ],
)
def test_one_label_is_read_however_it_is_wrapped(written: str) -> None:
    assert parts("topic", written) == [("bill", 0, 0)]


def test_of_names_that_lie_in_each_other_the_longest_counts() -> None:
    assert parts("topic", "late shipping") == [("ship_late", 0, 0)]
    assert parts("topic", "It says: Late_Shipping!") == [("ship_late", 0, 0)]


@pytest.mark.parametrize(
    "written", ["", "Billing or Shipping", "Your parcel is at 12 Main Street", "[1, 2", '{"a": 1}']
)
def test_an_answer_that_names_no_label_or_two_is_unreadable(written: str) -> None:
    votes = prompt("topic").votes([Completion(written)], TEXT)
    assert (votes.parts, votes.is_readable) == ((), False)


def test_a_label_that_is_not_offered_is_counted() -> None:
    votes = prompt("topic").votes([Completion('{"label": "Weather"}')], TEXT)
    assert (votes.parts, votes.is_readable, votes.unknown) == ((), True, 1)


def test_several_labels_are_a_list_that_may_be_empty() -> None:
    assert parts("tags", '{"labels": ["urgent", "Angry", "Angry"]}') == [("Urgent", 0, 0), ("Angry", 0, 0)]
    assert parts("tags", '["Angry"]') == [("Angry", 0, 0)]
    assert parts("tags", "Urgent, Angry") == [("Urgent", 0, 0), ("Angry", 0, 0)]
    nothing = prompt("tags").votes([Completion('{"labels": []}')], TEXT)
    assert (nothing.parts, nothing.is_readable) == ((), True)


def test_quotes_are_found_where_they_stand_and_the_second_of_a_kind_is_the_second_piece() -> None:
    answer = {"pieces": [{"text": "York", "label": "City"}, {"text": "York", "label": "City"}]}
    assert quoted(json.dumps(answer)) == [("York", 5), ("York", 40)]
    assert quoted('{"City": ["NEW YORK"], "River": ["Ouse"]}') == [("new  york", 25), ("Ouse", 17)]
    assert quoted('[{"text": "shire", "label": "City"}]') == [("shire", 56)]


def test_quotes_that_the_text_does_not_hold_are_counted_and_left_out() -> None:
    answer = [{"text": "Leeds", "label": "City"}, {"text": "Ouse", "label": "Sea"}, {"text": "Ouse"}, "Ouse"]
    votes = prompt("places").votes([Completion(json.dumps(answer))], TEXT)
    assert (votes.parts, votes.missing, votes.unknown) == ((), 1, 3)


def test_the_chance_of_a_label_is_that_of_its_tokens() -> None:
    tokens = (('{"label": "', -0.5), ("Bill", math.log(0.5)), ("ing", math.log(0.8)), ('"}', -0.1))
    answer = Completion("".join(token for token, _ in tokens), tokens)
    (((label, _, _), chance),) = prompt("topic").votes([answer], TEXT).parts
    assert (label, chance) == ("bill", pytest.approx(0.4))
    assert prompt("topic", least_confidence=0.5).votes([answer], TEXT).parts == ()


def test_of_several_answers_what_more_than_half_say_counts_with_its_share() -> None:
    answers = [Completion(each) for each in ("Billing", "Shipping", "Billing", "who knows", "Billing")]
    assert prompt("topic", samples=5).votes(answers, TEXT).parts == ((("bill", 0, 0), 0.6),)
    assert prompt("topic", samples=2).votes(answers[:2], TEXT).parts == ()


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", 'api_key = "x"', "api_key"),
        ("a.toml", "examples = -1", "examples"),
        ("a.toml", "[[", "Invalid"),
        ("a.toml", 'control = "topics"', "control 'topics' found; wanted one of 'topic'"),
        ("a.toml", "[hints]\nbills = 'x'", "label 'bills' found; the control 'topic' offers bill, ship, ship_late"),
        ("a.txt", "", "a file that ends in '.txt' found; wanted .toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_fault_and_the_others_are_loaded(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / name).write_text(text)
    (tmp_path / "prompts" / "good.toml").write_text('examples = 3\nby = "Ada"')
    loading = Loading(tmp_path, [control("topic")], {}, lambda _: True)
    (good,) = LabelPrompt.load(loading, LABELS)
    assert (good.source.name, good.source.kind, good.source.by, good.facts.examples) == (
        "prompts/good.toml",
        "prompt",
        "Ada",
        3,
    )
    (fault,) = loading.faults
    assert problem in fault.problem
    assert fault.is_fatal
