from datetime import UTC, datetime
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation, Region, Task
from ml_backend.domain.config_changes import Absence
from ml_backend.domain.example import Span
from ml_backend.domain.reasons import Reason, ReasonCounts
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.snapshots.build import BuiltRows
from ml_backend.snapshots.reviewed import BuildSettings, reviewed_rows
from tests.unit.snapshots import builders
from tests.unit.snapshots.builders import ALL_TRAIN, choice, no_history, only, task, text_in
from tests.unit.tasks.plans import choices_region, labels_region, plan

PLAN = plan(
    '<Choices name="topic" toName="text"><Choice value="login"/><Choice value="other"/></Choices>'
    '<Choices name="tags" toName="text" choice="multiple"><Choice value="angry"/><Choice value="urgent"/></Choices>'
    '<Labels name="spans" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'
)
topic = choice


def tags(*labels: str) -> Region:
    return choices_region(list(labels))


def built(*tasks: Task, **settings: Any) -> BuiltRows:
    return builders.built(tasks, **{"over": PLAN, "split": ALL_TRAIN} | settings)


def span(start: int, end: int, label: str = "PER") -> Region:
    return labels_region(start, end, [label])


def test_a_row_holds_the_answers_to_all_controls() -> None:
    row = only(built(task(1, "Anna is here", [topic("login"), tags("urgent", "angry"), span(0, 4)])))

    assert row.targets == {"topic": "login", "tags": ("angry", "urgent"), "spans": (Span(0, 4, "PER"),)}
    assert row.labels[0].targets == row.targets
    assert row.input == {"text": "Anna is here"}


def test_controls_left_empty_are_answered_with_nothing_where_that_can_be_said() -> None:
    assert only(built(task(1, "a text", [tags("urgent")]))).targets == {"tags": ("urgent",), "spans": ()}
    rows = built(task(1, "a text", []))
    assert (only(rows).targets, rows.counts["train"]) == ({"tags": (), "spans": ()}, 1)


def test_each_control_is_settled_by_itself_and_a_row_is_unresolved_only_where_none_is() -> None:
    first = [topic("login"), tags("urgent"), span(0, 4)]

    row = only(built(task(1, "Anna is here", first, [topic("other"), tags("urgent"), span(0, 3)])))
    torn = built(task(1, "Anna is here", first, [topic("other"), tags(), span(0, 3)]))

    assert row.targets == {"tags": ("urgent",)}
    assert [label.targets["topic"] for label in row.labels] == ["login", "other"]
    assert [row.targets for row in torn.unresolved] == [{}]


def test_a_label_that_left_the_config_voids_the_answer_to_its_control_alone() -> None:
    rows = built(task(1, "a text", [topic("gone"), tags("gone", "urgent"), span(0, 3, "PER")]))

    assert only(rows).targets == {"spans": (Span(0, 3, "PER"),)}
    for name in ("topic", "tags"):
        sentence = f"answers to '{name}' with labels that the label config no longer has are left out: gone (1);"
        assert sentence in "\n".join(rows.warnings)


def test_labels_that_left_the_config_are_counted_over_all_annotations_the_dropped_ones_too() -> None:
    choice_alone = plan('<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b"/></Choices>')
    tasks = [task(number, f"text {number}", [topic("old" if number % 2 else "older")]) for number in range(1, 6)]

    rows = built(*tasks, over=choice_alone)

    assert rows.dropped_counts == {"unknown_label": 5}
    assert "are left out: old (3), older (2);" in rows.warnings[0]


def test_an_answer_that_cannot_be_read_is_left_out_and_counted() -> None:
    rows = built(task(1, "a text", [topic("login"), span(3, 999)]), task(2, "another", [topic("login"), span(-1, 2)]))

    assert [row.targets for row in rows.splits[Split.TRAIN]] == [{"topic": "login", "tags": ()}] * 2
    assert "2 answers to 'spans' cannot be read and are left out." in rows.warnings


def test_equal_texts_lose_the_answers_that_differ_and_keep_the_others() -> None:
    rows = built(
        task(1, "same text", [topic("login"), tags("urgent")]), task(2, "Same text", [topic("other"), tags("urgent")])
    )

    assert [(row.task_id, row.targets) for row in rows.splits[Split.TRAIN]] == [(1, {"tags": ("urgent",), "spans": ()})]
    assert [(drop.task_id, drop.reason, drop.of) for drop in rows.dropped] == [(2, "duplicate", "task-1")]


def test_of_equal_texts_the_row_with_the_most_answers_stays() -> None:
    rows = built(task(1, "same text", []), task(2, "same text", [topic("login")]), task(3, "same text", []))

    assert [row.task_id for row in rows.splits[Split.TRAIN]] == [2]
    assert [(drop.task_id, drop.of) for drop in rows.dropped] == [(1, "task-2"), (3, "task-2")]


def test_equal_texts_that_answer_different_controls_both_stay() -> None:
    torn = [[topic("login"), tags("urgent"), span(0, 2)], [topic("login"), tags(), span(0, 3)]]

    rows = built(task(1, "same text", *torn), task(2, "same text", [tags("urgent"), span(0, 2)]))

    assert [(row.task_id, sorted(row.targets)) for row in rows.splits[Split.TRAIN]] == [
        (1, ["topic"]),
        (2, ["spans", "tags"]),
    ]


def test_labels_are_counted_per_control_once_per_row() -> None:
    rows = built(
        task(1, "Anna met Bob", [topic("login"), tags("angry", "urgent"), span(0, 4), span(9, 12)]),
        task(2, "nothing", [tags("angry")]),
    )

    assert rows.label_counts["train"] == {
        "topic": {"login": 1, "other": 0},
        "tags": {"angry": 2, "urgent": 1},
        "spans": {"PER": 1, "LOC": 0},
    }


def test_few_held_out_rows_are_told_per_control_where_controls_differ() -> None:
    answers = {1: [topic("login")], 2: []}
    tasks = [task(n, text_in(Split.TEST, f"held out {n}"), answers[n]) for n in (1, 2)]

    found = built(*tasks, split=SplitFractions()).warnings

    assert "test holds few rows that answer 'topic' (1), 'tags' (2), 'spans' (2); under 100," in "\n".join(found)
    assert "validation holds 0 rows; under 200, models are compared" in "\n".join(found)


def test_annotators_agree_only_where_they_say_the_same_of_every_control() -> None:
    same, other = [topic("login"), tags("urgent")], [topic("login"), tags("urgent"), span(0, 2)]
    rule = {"review_rule": BuildSettings().review_rule.parse("agreement:2")}

    assert [each.reason for each in built(task(1, "a text", same, other), **rule).reasons] == [Reason.NOT_REVIEWED]
    assert built(task(1, "a text", same, list(reversed(same))), **rule).reasons == ()


def lost(*tasks: Task) -> list[tuple[Reason, str, int, tuple[int, ...]]]:
    """Answers that are left out of a snapshot, which are those that are left out of a stream of its rows."""
    reasons = ReasonCounts()
    list(reviewed_rows(tasks, PLAN, BuildSettings(split=ALL_TRAIN), no_history, reasons=reasons))
    assert tuple(reasons) == built(*tasks).reasons
    return [(each.reason, each.control, each.count, each.task_ids) for each in reasons]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([[topic("gone"), tags("urgent")]], (Reason.UNKNOWN_LABEL, "topic", 1, (7,))),
        ([[topic("login"), topic("other"), tags("urgent")]], (Reason.CONTRADICTORY, "topic", 1, (7,))),
        ([[topic("login"), span(0, 99)]], (Reason.DOUBTFUL_POSITIONS, "spans", 1, (7,))),
        ([[topic("login"), span(1, 2)]], (Reason.EMPTY_ANSWER, "spans", 1, (7,))),
        ([[topic("login"), span(1, 2), span(0, 1)]], (Reason.BLANK_SPAN, "spans", 1, (7,))),
        ([[topic("login"), labels_region(0, 2, [])]], (Reason.UNREADABLE, "spans", 1, (7,))),
        ([[topic("gone")], [topic("gone")]], (Reason.UNKNOWN_LABEL, "topic", 2, (7,))),
        ([[topic("login"), span(0, 6)], [topic("other"), span(0, 6)]], (Reason.UNRESOLVED, "topic", 1, (7,))),
    ],
)
def test_a_lost_answer_is_told_although_the_row_stays(
    answers: list[list[Region]], found: tuple[Reason, str, int, tuple[int, ...]]
) -> None:
    assert only(built(task(7, "a text", *answers))).targets
    assert lost(task(7, "a text", *answers)) == [found]


def test_a_lost_row_is_told_with_the_answers_that_it_lost() -> None:
    required = [{**each, "value": {"choices": "?"}} for each in (topic("login"), tags("urgent"))]

    assert lost(task(7, "a text", [*required, labels_region(0, 9, ["PER"])]), task(8, "another")) == [
        (Reason.NOT_ANNOTATED, "", 1, (8,)),
        (Reason.NO_ANSWER, "", 1, (7,)),
        (Reason.UNREADABLE, "tags", 1, (7,)),
        (Reason.UNREADABLE, "topic", 1, (7,)),
        (Reason.DOUBTFUL_POSITIONS, "spans", 1, (7,)),
    ]


CAME = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_YET = Absence(datetime.min.replace(tzinfo=UTC), CAME)
GONE = Absence(datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 7, tzinfo=UTC))


@pytest.mark.parametrize(
    ("absence", "updated_at", "regions", "has_spans"),
    [
        (NOT_YET, "2026-03-01T11:59:59Z", [], False),
        (NOT_YET, "2026-03-01T12:00:01Z", [], True),
        (NOT_YET, "2026-03-01T14:59:59+03:00", [], False),
        (NOT_YET, None, [], False),
        (NOT_YET, "not a time", [], False),
        (NOT_YET, "2026-03-01T11:59:59Z", [span(0, 2)], True),
        (GONE, "2026-03-04T23:59:59Z", [], True),
        (GONE, "2026-03-05T00:00:00Z", [], False),
        (GONE, "2026-03-06T12:00:00Z", [span(0, 2)], True),
        (GONE, "2026-03-07T00:00:00Z", [], True),
        (GONE, None, [], True),
    ],
)
def test_an_annotation_from_while_a_control_was_not_there_says_nothing_about_it(
    absence: Absence, updated_at: str | None, regions: list[Region], has_spans: bool
) -> None:
    annotation = Annotation(1, "1", (topic("login"), *regions), updated_at=updated_at)

    row = only(built(task(1, "a text", annotation), absences={"spans": [absence]}))

    assert ("spans" in row.targets) == has_spans
    assert row.targets["tags"] == ()


def test_old_annotations_do_not_outvote_those_that_could_answer() -> None:
    old = Annotation(1, "1", (topic("login"),), updated_at="2026-02-01T00:00:00Z")
    new = Annotation(2, "2", (topic("login"), span(0, 2)), updated_at="2026-04-01T00:00:00Z")

    row = only(built(task(1, "my text", old, new), absences={"spans": [NOT_YET]}))

    assert row.targets["spans"] == (Span(0, 2, "PER"),)
