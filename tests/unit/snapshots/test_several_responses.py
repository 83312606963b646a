from typing import Any

from ml_backend.domain.annotation import Annotation, Region, Task
from ml_backend.domain.example import Row
from ml_backend.domain.snapshot import Split
from ml_backend.snapshots.build import BuiltRows
from ml_backend.snapshots.references import with_references
from tests.unit.snapshots import builders
from tests.unit.snapshots.builders import ALL_TRAIN, choice, task
from tests.unit.tasks.plans import plan

PLAN = plan(
    '<Choices name="topic" toName="text"><Choice value="login"/><Choice value="other"/></Choices>'
    '<TextArea name="response" toName="text" required="true"/>'
)


def response(text: str) -> Region:
    return {"from_name": "response", "to_name": "text", "type": "textarea", "value": {"text": [text]}}


def built(*tasks: Task, **settings: Any) -> BuiltRows:
    return builders.built(tasks, **{"over": PLAN, "split": ALL_TRAIN} | settings)


def brief(row: Row) -> tuple[str, dict[str, Any], list[str]]:
    return row.id, dict(row.targets), [label.annotator for label in row.labels]


def test_every_response_of_a_task_is_a_row_and_labels_are_in_the_first_one_alone() -> None:
    results = [[choice("login"), response(text)] for text in ("Block it.", "Call us.")]
    rows = built(task(1, "help", *results))
    first, second = rows.splits[Split.TRAIN]
    annotators = [label.annotator for label in first.labels]

    assert brief(first) == ("task-1", {"topic": "login", "response": "Block it."}, annotators)
    assert brief(second) == ("task-1-2", {"response": "Call us."}, annotators[1:])
    assert (len(annotators), rows.counts["unresolved"], list(rows.reasons)) == (2, 0, [])


def test_the_response_of_more_than_half_of_the_annotators_stands_alone() -> None:
    results = [[response(text)] for text in ("Block it.", "Call us.", "Block  it.")]
    (row,) = built(task(1, "help", *results)).splits[Split.TRAIN]

    assert row.targets == {"response": "Block it."}


def test_tasks_with_one_text_keep_their_responses_and_repeat_neither_these_nor_labels() -> None:
    rows = built(
        task(1, "help", [choice("login"), response("Block it.")]),
        task(2, "Help", [choice("login"), response("Call us.")]),
        task(3, "help", [choice("login"), response("Call us.")]),
    )

    assert [row.targets for row in rows.splits[Split.TRAIN]] == [
        {"topic": "login", "response": "Block it."},
        {"response": "Call us."},
    ]
    assert rows.dropped_counts == {"duplicate": 1}


def test_labels_that_differ_are_a_conflict_whatever_the_responses() -> None:
    rows = built(
        task(1, "help", [choice("login"), response("Block it.")]),
        task(2, "help", [choice("other"), response("Call us.")]),
    )

    assert [row.targets for row in rows.splits[Split.TRAIN]] == [{"response": "Block it."}, {"response": "Call us."}]


def test_responses_to_one_prompt_are_the_references_that_a_model_is_measured_by() -> None:
    rows = built(
        task(1, "help", [choice("login"), response("Block it.")], [choice("login"), response("Call us.")]),
        task(2, "Help", [response("Wait.")]),
        task(3, "cash", [choice("other"), response("Wait.")]),
    )

    measured = with_references(rows.splits[Split.TRAIN], PLAN)
    assert [(row.task_id, row.targets) for row in measured] == [
        (1, {"topic": "login", "response": ("Block it.", "Call us.", "Wait.")}),
        (3, {"topic": "other", "response": ("Wait.",)}),
    ]


def test_each_response_keeps_the_draft_that_it_was_made_of() -> None:
    mended, anew, other = [response("Block it.")], [response("Call us.")], [response("Wait.")]
    annotations = (
        Annotation(1, "1", tuple(mended), rejected=(response("Block?"),)),
        Annotation(2, "2", tuple(anew)),
        Annotation(3, "3", tuple(other), rejected=(response("Weight."), choice("login"))),
    )

    rows = built(task(1, "help", *annotations)).splits[Split.TRAIN]

    assert [row.drafts for row in rows] == [{"response": "Block?"}, {}, {"response": "Weight."}]
