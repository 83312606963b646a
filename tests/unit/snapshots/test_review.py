from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.annotation import Annotation, Task, flat_choices
from ml_backend.errors import ConfigurationError
from ml_backend.snapshots.review import ReviewRule
from tests.unit.snapshots.builders import annotation, choice, task

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
rules = (
    st.sampled_from(["submitted", "ground_truth"])
    | st.builds("approved:{}={}".format, names, names)
    | st.builds("agreement:{}".format, st.integers(1, 99))
)


@given(rules)
def test_a_rule_reads_back_from_its_own_text(text: str) -> None:
    assert str(ReviewRule.parse(text)) == text
    assert str(ReviewRule.parse(f" {text.replace(':', ' : ').replace('=', ' = ')} ")) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "Submitted", "submitted:", "submitted:2", "ground_truth:yes", "starred"),
        *("approved", "approved:review", "approved:=ok", "approved:review="),
        *("agreement", "agreement:", "agreement:0", "agreement:-2", "agreement:two", "agreement:²"),
    ],
)
def test_nonsense_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"wanted submitted, ground_truth, approved:.*agreement:<N>"):
        ReviewRule.parse(text)


def chosen(found: Annotation) -> frozenset[str] | None:
    return frozenset(str(flat_choices(region["value"]["choices"])) for region in found.result) or None


def ids(rule: str, *annotations: Annotation) -> list[int]:
    return [found.id for found in ReviewRule.parse(rule).annotations_that_count(Task(1, {}, annotations), chosen)]


@pytest.mark.parametrize("rule", ["submitted", "ground_truth", "approved:topic=billing", "agreement:1"])
def test_skipped_annotations_never_count(rule: str) -> None:
    assert ids(rule, annotation(1, "billing", was_cancelled=True, ground_truth=True)) == []


def test_of_an_annotator_the_latest_counts_and_unknown_annotators_are_not_one_person() -> None:
    newer = annotation(1, "billing", updated_at="2026-05-02T10:00:00Z")
    older = annotation(2, "login", updated_at="2026-05-02T11:30:00+02:00")
    assert ids("submitted", older, newer) == [1]
    assert ids("submitted", annotation(5, "login"), annotation(4, "billing")) == [5]  # no time is known
    assert ids("submitted", annotation(1, "login", "unknown"), annotation(2, "billing", "unknown")) == [1, 2]


def test_the_ground_truth_rule_keeps_starred_annotations_only() -> None:
    starred, newer = annotation(1, "login", ground_truth=True), annotation(2, "billing")
    other = annotation(3, "billing", "2")
    assert ids("ground_truth", starred, newer, other) == [1]


def test_approval_is_a_value_of_the_named_control_and_falls_with_a_newer_rejection_of_the_same_person() -> None:
    approved = Annotation(1, "1", (choice("billing"), choice("ok", "review")))
    rejected = Annotation(2, "2", (choice("billing"), choice("redo", "review")))
    elsewhere = Annotation(3, "3", (choice("ok", "topic"),))
    assert ids("approved:review=ok", approved, rejected, elsewhere) == [1]
    assert ids("approved:review=ok", approved, replace(rejected, annotator="1")) == []


@pytest.mark.parametrize(
    ("choices", "is_approved"),
    [
        ([[["ok"]]], True),
        ([["ok"], [["ok"]]], True),
        ([["ok", "soon"]], True),
        ([[["redo"]]], False),
        ([[["ok", "inner"]]], False),
        ([["ok"], ["redo"]], False),
        ([[["ok"]], [["redo"]]], False),
    ],
)
def test_an_approval_may_be_stored_as_a_path_and_must_not_contradict_itself(
    choices: list[object], is_approved: bool
) -> None:
    verdicts = tuple({**choice("", "review"), "value": {"choices": each}} for each in choices)

    assert bool(ids("approved:review=ok", Annotation(1, "1", verdicts))) == is_approved


@pytest.mark.parametrize("value", [{"rating": 5}, {"text": ["5"]}, {"number": 5}])
def test_approval_may_be_a_rating_or_a_text(value: dict[str, object]) -> None:
    approved = Annotation(1, "1", ({"from_name": "review", "type": "rating", "value": value},))
    assert ids("approved:review=5", approved) == [1]


@pytest.mark.parametrize(
    ("values", "is_reviewed"),
    [(["login"], False), (["login", "billing"], False), (["login", "billing", "login"], True)],
)
def test_agreement_needs_n_annotators_with_one_answer(values: list[str], is_reviewed: bool) -> None:
    found = ReviewRule.parse("agreement:2").annotations_that_count(task(1, "text", *values), chosen)
    assert len(found) == (len(values) if is_reviewed else 0)


def test_annotators_who_are_not_known_are_one_voice_towards_an_agreement() -> None:
    path = {**choice("login"), "value": {"choices": [["login"]]}, "id": "a"}
    one = Annotation(1, "1", (path, choice("ok", "review")))
    two = Annotation(2, "2", (choice("ok", "review"), {**choice("login"), "id": "b"}))
    assert ids("agreement:2", one, two) == [1, 2]
    assert ids("agreement:2", annotation(1, "login", "unknown"), annotation(2, "login", "unknown")) == []


def test_agreement_is_about_the_given_answer() -> None:
    def answer(found: Annotation) -> str:
        return str(found.result[0]["value"]["choices"][0])

    one = Annotation(1, "1", (choice("login"), choice("a comment", "note")))
    two = Annotation(2, "2", (choice("login"), choice("another", "note")))
    assert len(ReviewRule.parse("agreement:2").annotations_that_count(Task(1, {}, (one, two)), answer)) == 2
