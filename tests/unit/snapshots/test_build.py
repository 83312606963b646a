import random
from typing import Any

import pytest

from ml_backend.domain.annotation import Task
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome, Row, SelectedBy
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.errors import ConfigurationError
from ml_backend.snapshots.build import BuiltRows
from ml_backend.snapshots.review import ReviewRule
from ml_backend.snapshots.reviewed import BuildSettings
from tests.unit.snapshots.builders import annotation, built, history_of, only, task, text_in


def event(annotation_id: int, **values: Any) -> AnnotationEvent:
    return AnnotationEvent(1, values.pop("action", EventAction.CREATED), annotation_id, **values)


def drops(rows: BuiltRows) -> list[tuple[int, str, str | None]]:
    return [(drop.task_id, drop.reason.value, drop.of) for drop in rows.dropped]


def counted(rows: BuiltRows) -> list[tuple[str, str, int, tuple[int, ...]]]:
    return [(each.reason.value, each.control, each.count, each.task_ids) for each in rows.reasons]


def test_a_reviewed_task_becomes_a_row_with_the_referenced_field_alone() -> None:
    row = only(built([task(7, "My Text", "billing")]))
    assert (row.id, row.task_id, row.input, row.targets) == ("task-7", 7, {"text": "My Text"}, {"topic": "billing"})


def test_the_order_of_tasks_does_not_matter() -> None:
    tasks = [task(number, f"text {number % 30}", "login" if number % 7 else "other") for number in range(60)]
    shuffled = random.Random(1).sample(tasks, len(tasks))
    assert built(shuffled) == built(tasks)


def test_tasks_that_are_not_reviewed_are_counted_and_left_out() -> None:
    rows = built(
        [task(1, "one"), task(2, "two", annotation(2, "login", was_cancelled=True)), task(3, "three", "login")]
    )
    assert counted(rows) == [("not_annotated", "", 1, (1,)), ("skipped", "", 1, (2,))]
    assert (rows.counts["dropped"], only(rows).task_id) == (0, 3)
    assert built([]).counts == {"train": 0, "validation": 0, "test": 0, "unresolved": 0, "dropped": 0}


@pytest.mark.parametrize(
    ("text", "answer", "reason"),
    [
        *((text, "login", "empty_text") for text in ("", "  \n\t ", None)),
        ("one", annotation(5, None), "no_answer"),
        ("one", "shipping", "unknown_label"),
    ],
)
def test_a_task_without_text_or_answer_is_dropped(text: str | None, answer: Any, reason: str) -> None:
    rows = built([task(1, text, answer)])
    assert drops(rows) == [(1, reason, None)]
    assert rows.dropped_counts == {reason: 1}


def test_a_label_that_left_the_config_is_void_beside_a_valid_one() -> None:
    row = only(built([task(1, "one", "shipping", "login")]))
    assert row.targets == {"topic": "login"}
    assert [label.annotator for label in row.labels] == ["2"]


@pytest.mark.parametrize(
    ("values", "targets"),
    [
        (("login", "login", "other"), {"topic": "login"}),
        (("login", "other"), {}),
        (("login", "login", "other", "other"), {}),
        (("login", "billing", "other"), {}),
    ],
)
def test_a_majority_settles_and_everything_else_is_unresolved(values: tuple[str, ...], targets: dict[str, str]) -> None:
    rows = built([task(1, "one", *values)])
    assert only(rows).targets == targets
    assert rows.counts["unresolved"] == (not targets)
    assert len(only(rows).labels) == len(values)


def starred(**settings: Any) -> Row:
    answers = (annotation(1, "login", "1", ground_truth=True), annotation(2, "other", "2"))
    return only(built([task(1, "one", *answers)], **settings))


def test_a_star_settles_where_the_setting_trusts_it_or_somebody_was_seen_setting_it() -> None:
    seen = event(1, ground_truth=True, action=EventAction.UPDATED)
    assert starred().targets == starred(history=history_of(event(1, ground_truth=True))).targets == {}
    assert starred(trust_ground_truth=True).targets == starred(history=history_of(seen)).targets == {"topic": "login"}


def test_a_trusted_star_outvotes_a_majority() -> None:
    answers = [annotation(n, "other", str(n)) for n in (1, 2)] + [annotation(3, "login", "3", ground_truth=True)]
    assert only(built([task(1, "one", *answers)], trust_ground_truth=True)).targets == {"topic": "login"}


def test_the_history_tells_how_a_row_came_about() -> None:
    seen = event(
        1,
        prelabel=PrelabelOutcome.ACCEPTED,
        selected_by=SelectedBy.ACTIVE,
        is_blind=True,
        changed_at="2026-05-02T10:00:00Z",
    )
    answer = annotation(1, "login", lead_time_s=2.25, updated_at="2026-05-01T10:00:00Z")
    row = only(built([task(1, "one", answer)], history=history_of(seen)))
    origin = row.provenance
    assert (origin.annotation_ids, origin.lead_time_s) == ((1,), 2.25)
    assert (origin.prelabel, origin.selected_by) == (PrelabelOutcome.ACCEPTED, SelectedBy.ACTIVE)
    assert origin.reviewed_at == "2026-05-01T10:00:00Z"
    assert row.labels[0].blind


@pytest.mark.parametrize(("parent", "outcome"), [(5, PrelabelOutcome.CHANGED), (None, PrelabelOutcome.ACCEPTED)])
def test_the_history_tells_of_a_pre_label_only_where_the_annotation_does_not(
    parent: int | None, outcome: PrelabelOutcome
) -> None:
    seen = event(1, prelabel=PrelabelOutcome.ACCEPTED)
    told = PrelabelOutcome.CHANGED if parent else PrelabelOutcome.NONE
    answer = annotation(1, "login", parent_prediction=parent, prelabel=told)

    assert only(built([task(1, "one", answer)], history=history_of(seen))).provenance.prelabel is outcome


def test_without_history_nothing_is_claimed() -> None:
    answer = annotation(1, "login", prelabel=PrelabelOutcome.CHANGED, updated_at="2026-05-01T10:00:00Z")
    row = only(built([task(1, "one", answer)]))
    origin = row.provenance
    assert (origin.selected_by, origin.prelabel) == (SelectedBy.UNKNOWN, PrelabelOutcome.CHANGED)
    assert (origin.reviewed_at, row.labels[0].blind) == ("2026-05-01T10:00:00Z", False)


@pytest.mark.parametrize(
    ("ways", "way"),
    [
        ([SelectedBy.RANDOM, SelectedBy.RANDOM], SelectedBy.RANDOM),
        ([SelectedBy.RANDOM, SelectedBy.ACTIVE], SelectedBy.ACTIVE),
        ([SelectedBy.RANDOM, None], SelectedBy.UNKNOWN),
    ],
)
def test_a_row_is_a_random_pick_only_if_every_label_is(ways: list[SelectedBy | None], way: SelectedBy) -> None:
    seen = [event(101 + number, selected_by=found) for number, found in enumerate(ways) if found]
    assert only(built([task(1, "one", "login", "login")], history=history_of(*seen))).provenance.selected_by is way


def test_lead_times_add_up_over_annotators() -> None:
    answers = [annotation(n, "login", str(n), lead_time_s=time) for n, time in ((1, 0.1), (2, 0.2), (3, None))]
    assert only(built([task(1, "one", *answers)])).provenance.lead_time_s == 0.3


@pytest.mark.parametrize(
    ("tasks", "dropped"),
    [
        ([(3, "Same  text"), (2, "same text"), (1, "other text")], (3, "duplicate", "task-2")),
        ([(1, "one"), (1, "one")], (1, "repeated_task", "task-1")),
    ],
    ids=["of equal texts the first", "a task that comes twice"],
)
def test_what_says_the_same_twice_gives_one_row(tasks: list[tuple[int, str]], dropped: tuple[int, str, str]) -> None:
    assert drops(built([task(number, text, "login") for number, text in tasks])) == [dropped]


def test_equal_texts_with_different_answers_are_all_unresolved() -> None:
    rows = built([task(1, "same text", "login"), task(2, "Same text", "other"), task(3, "SAME TEXT", "login")])
    assert [row.task_id for row in rows.unresolved] == [1, 2, 3]
    assert all(row.targets == {} and row.labels for row in rows.unresolved)
    assert counted(rows) == [("unresolved", "", 3, (1, 2, 3))]


def test_a_train_row_that_repeats_a_held_out_one_is_dropped_whatever_its_answer() -> None:
    text = "where is the order that i paid for"
    shares = SplitFractions(0.5, 0.25, 0.25)
    train = next(t for n in range(99) if (t := text + "!" * n) and text_in(Split.TRAIN, t, shares) == f"{t} 0")
    held_out = next(t for n in range(99) if (t := text + "?" * n) and text_in(Split.TEST, t, shares) == f"{t} 0")
    rows = built([task(1, f"{train} 0", "login"), task(2, f"{held_out} 0", "other")], split=shares)
    assert drops(rows) == [(1, "duplicate_of_held_out", "task-2")]
    assert [row.task_id for row in rows.splits[Split.TEST]] == [2]


def test_a_train_row_that_nearly_repeats_a_held_out_one_is_dropped() -> None:
    text = "my card was charged twice for the very same order and nobody answers my mails ticket"
    tasks = [task(1, text_in(Split.TRAIN, text), "login"), task(2, text_in(Split.VALIDATION, text), "login")]
    assert drops(built(tasks)) == [(1, "near_duplicate_of_held_out", "task-2")]
    assert drops(built(tasks, near_duplicate_threshold=1.0)) == []


def test_the_review_rule_decides_which_annotations_count() -> None:
    tasks = [task(1, "one", "login", "login", "other"), task(2, "two", "login", "other")]
    rows = built(tasks, review_rule=ReviewRule.parse("agreement:2"))
    assert only(rows).task_id == 1
    assert counted(rows) == [("not_reviewed", "", 1, (2,))]


def test_labels_are_counted_per_split_zeros_included() -> None:
    rows = built([task(1, text_in(Split.TRAIN), "login"), task(2, text_in(Split.TEST), "other")])
    assert rows.label_counts["train"] == {"topic": {"billing": 0, "login": 1, "other": 0}}
    assert rows.label_counts["test"] == {"topic": {"billing": 0, "login": 0, "other": 1}}
    assert rows.counts == {"train": 1, "validation": 0, "test": 1, "unresolved": 0, "dropped": 0}


def warnings_of(*tasks: Task, **settings: Any) -> str:
    return "\n".join(built(tasks, **settings).warnings)


def test_thin_classes_and_few_held_out_rows_warn_unless_the_split_is_switched_off() -> None:
    found = warnings_of(task(1, text_in(Split.TRAIN), "login"))
    assert "3 of 3 labels of 'topic' have fewer than 5 rows in train: billing (0), login (1), other (0)." in found
    assert all(part in found for part in ("have no row in test", "validation holds 0 rows", "test holds 0 rows"))
    found = warnings_of(task(1, "one", "login"), split=SplitFractions(1, 0, 0))
    assert [part in found for part in ("in train", "validation", "test")] == [True, False, False]


def test_labels_that_nobody_was_seen_making_warn() -> None:
    seen = history_of(event(101, selected_by=SelectedBy.RANDOM))
    found = warnings_of(task(1, "one", "login"), task(2, "two", "login"), history=seen)
    assert "1 of 2 rows (50%) hold labels that labelloop did not see being made" in found
    assert "did not see" not in warnings_of(task(1, "one", "login"), history=seen)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, 2])
def test_a_threshold_that_is_no_likeness_is_refused(threshold: float) -> None:
    with pytest.raises(
        ConfigurationError, match=f"threshold {threshold} found; wanted a likeness above 0 and at most 1"
    ):
        BuildSettings(near_duplicate_threshold=threshold)
