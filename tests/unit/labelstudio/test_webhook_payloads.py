"""What the event webhook tells: as it was recorded, and as it must not be."""

import json
import math
import time
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.errors import PayloadError
from ml_backend.labelstudio.payloads import AnnotationChange, WebhookMessage, check_event, parse_webhook
from tests.recordings import recorded, recorded_names

TICKED = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}


def only_change(message: WebhookMessage) -> AnnotationChange:
    (change,) = message.annotations
    return change


def event(action: str = "ANNOTATION_CREATED", **changes: Any) -> dict[str, Any]:
    annotation = {"id": 7, "task": 3, "completed_by": 2, "result": [TICKED], "updated_by": 2, **changes}
    return {"action": action, "annotation": annotation, "task": {"id": 3, "data": {"text": "a"}}, "project": {"id": 1}}


def with_prelabel(choice: str = "Positive", **changes: Any) -> dict[str, Any]:
    shown = {**TICKED, "value": {"choices": [choice]}}
    prelabel = {"id": 40, "result": [shown], "model_version": "m-v1", **changes}
    return event(parent_prediction=40, prediction=prelabel)


@pytest.mark.parametrize("name", recorded_names("webhook_"))
def test_every_recorded_event_names_its_action_and_project(name: str) -> None:
    body = recorded(name)

    message = parse_webhook(body)

    assert message.action == body["action"]
    assert message.project_id == body.get("project", {}).get("id")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("annotation_created_prelabel_accepted", (5, 1, PrelabelOutcome.ACCEPTED, 5.636, False, False)),
        ("annotation_created_prelabel_changed", (6, 2, PrelabelOutcome.CHANGED, 6.105, False, False)),
        ("annotation_created_skipped", (7, 3, PrelabelOutcome.ACCEPTED, 4.228, True, False)),
        ("annotation_updated", (10, 2519, PrelabelOutcome.NONE, 1.5, False, False)),
        ("annotation_updated_prelabel_changed", (5, 1, PrelabelOutcome.CHANGED, 12.231, False, False)),
        ("annotation_updated_starred", (10, 2519, PrelabelOutcome.NONE, 1.5, False, True)),
        ("annotation_created_entities", (8, 13, PrelabelOutcome.CHANGED, 8.958, False, False)),
        ("annotation_created_textarea", (60, 2835, PrelabelOutcome.ACCEPTED, 25.198, False, False)),
        ("annotations_created", (12, 2520, PrelabelOutcome.ACCEPTED, None, False, False)),
    ],
)
def test_recorded_annotations_say_who_did_what(name: str, expected: tuple[Any, ...]) -> None:
    change = only_change(parse_webhook(recorded(f"webhook_{name}")))
    of = change.annotation

    assert of.annotator == "1"
    assert (of.id, change.task_id, of.prelabel, of.lead_time_s, of.was_cancelled, of.ground_truth) == expected


def test_a_recorded_annotation_keeps_its_regions_and_times() -> None:
    body = recorded("webhook_annotation_created")

    change = only_change(parse_webhook(body))

    assert change.task_id == 2519
    assert change.annotation == Annotation(
        id=10,
        annotator="1",
        result=(TICKED,),
        lead_time_s=1.5,
        created_at="2026-11-20T18:29:51.160807Z",
        updated_at="2026-11-20T18:29:51.160836Z",
    )


@pytest.mark.parametrize(
    "name",
    ["annotations_deleted_one", "annotations_deleted_many", "tasks_created", "tasks_created_one", "tasks_deleted"],
)
def test_deleted_annotations_and_tasks_are_named_by_id_alone(name: str) -> None:
    body = recorded(f"webhook_{name}")

    message = parse_webhook(body)

    assert message.annotations == ()
    assert message.deleted_annotation_ids == tuple(each["id"] for each in body.get("annotations", ()))
    assert message.task_ids == tuple(each["id"] for each in body.get("tasks", ()))


def test_a_changed_project_comes_with_its_new_label_config() -> None:
    body = recorded("webhook_project_updated")

    project = parse_webhook(body).project

    assert project is not None
    assert (project.label_config, project.title) == (body["project"]["label_config"], "P-events")
    assert (project.task_count, project.sampling) == (body["project"]["task_number"], "Sequential sampling")


def test_start_training_names_the_project_and_a_webhook_without_payload_only_the_action() -> None:
    message = parse_webhook(recorded("webhook_start_training"))

    assert message == WebhookMessage("START_TRAINING", message.project)
    assert message.project_id == recorded("webhook_start_training")["project"]["id"]
    assert parse_webhook(recorded("webhook_no_payload")) == WebhookMessage("ANNOTATION_CREATED")


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATIONS_UPDATED"])
def test_one_annotation_and_several_come_under_the_same_key_each_with_its_task(action: str) -> None:
    one = event(action)
    several = event(action)
    several["annotation"] = [several["annotation"], {**several["annotation"], "id": 8, "task": 4}, {"id": 9}]
    several["task"] = [{"id": 4, "data": {"text": "four"}}, {"id": 3, "data": {"text": "three"}}]

    found = [
        [(each.annotation.id, each.task_id) for each in parse_webhook(body).annotations] for body in (one, several)
    ]

    assert found == [[(7, 3)], [(7, 3), (8, 4), (9, None)]]


@pytest.mark.parametrize("action", ["ANNOTATION_DELETED", "ANNOTATIONS_DELETED"])
@pytest.mark.parametrize("annotations", [{"id": 5}, [{"id": 5}]])
def test_one_deletion_and_several_come_under_the_same_key(action: str, annotations: Any) -> None:
    assert parse_webhook({"action": action, "annotations": annotations}).deleted_annotation_ids == (5,)


@pytest.mark.parametrize("action", ["LABEL_LINK_CREATED", "PROJECT_CREATED", "SOMETHING_NEW"])
def test_actions_that_are_not_known_pass_through_unread(action: str) -> None:
    body = {"action": action, "annotation": "nonsense", "project": {"id": 3}}

    message = parse_webhook(body)

    assert (message.action, message.project_id, message.annotations) == (action, 3, ())


def test_the_only_task_counts_where_the_annotation_names_none_and_may_be_missing() -> None:
    nameless, without_task = event(), event() | {"task": None}
    del nameless["annotation"]["task"]

    assert only_change(parse_webhook(nameless)).task_id == only_change(parse_webhook(without_task)).task_id == 3


@pytest.mark.parametrize(
    ("result", "regions"), [*((each, ()) for each in (None, [], "text", {}, 5)), ([None, TICKED, "x"], (TICKED,))]
)
def test_a_result_that_is_missing_or_has_holes_is_read(result: Any, regions: tuple[Any, ...]) -> None:
    assert only_change(parse_webhook(event(result=result))).annotation.result == regions


@pytest.mark.parametrize(
    ("completed_by", "annotator"),
    [
        (3, "3"),
        ({"id": 3, "email": "a@example.com"}, "3"),
        ({"email": "a@example.com"}, "a@example.com"),
        (None, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_annotator_is_told_in_every_form(completed_by: Any, annotator: str) -> None:
    assert only_change(parse_webhook(event(completed_by=completed_by))).annotation.annotator == annotator


@pytest.mark.parametrize(
    ("body", "outcome", "version"),
    [
        (with_prelabel("Positive"), PrelabelOutcome.ACCEPTED, "m-v1"),
        (with_prelabel("Negative"), PrelabelOutcome.CHANGED, "m-v1"),
        (with_prelabel(id=41), PrelabelOutcome.CHANGED, None),
        (with_prelabel(result=[]), PrelabelOutcome.NONE, None),
        (event(parent_prediction=40), PrelabelOutcome.CHANGED, None),
        (event(parent_prediction=40, prediction={}), PrelabelOutcome.CHANGED, None),
        (event(parent_prediction=40, result=[{**TICKED, "origin": "prediction"}]), PrelabelOutcome.ACCEPTED, None),
        (event(parent_prediction=40, updated_by=None, lead_time=None), PrelabelOutcome.ACCEPTED, None),
        (event(), PrelabelOutcome.NONE, None),
    ],
)
def test_what_became_of_the_prelabel_is_told(
    body: dict[str, Any], outcome: PrelabelOutcome, version: str | None
) -> None:
    change = only_change(parse_webhook(body))

    assert (change.annotation.prelabel, change.prelabel_version) == (outcome, version)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": None},
        {"action": ""},
        {"action": 5},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": "x"}},
        {"action": "ANNOTATION_CREATED", "annotation": ["x"]},
        {"action": "ANNOTATION_CREATED", "annotation": {}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": -1}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 2**63}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "lead_time": "long"}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "lead_time": math.nan}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 1}, "task": {"data": {"text": "no id"}}},
        {"action": "ANNOTATIONS_DELETED", "annotations": [5]},
        {"action": "TASKS_CREATED", "tasks": [{"id": None}]},
        {"action": "START_TRAINING", "project": {"title": "no id"}},
    ],
    ids=str,
)
def test_a_webhook_that_label_studio_would_not_send_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(PayloadError, match="webhook: not what Label Studio sends"):
        parse_webhook(body)


def test_a_refusal_names_the_place_and_repeats_no_value() -> None:
    body = event(id="token-abc", lead_time="secret text")
    body["task"]["data"] = "a person's text"

    with pytest.raises(PayloadError) as caught:
        parse_webhook(body)

    assert "annotation.0.id: Input should be a valid integer" in str(caught.value)
    assert "annotation.0.lead_time" in str(caught.value)
    assert not [secret for secret in ("token-abc", "secret text", "person") if secret in str(caught.value)]


def test_many_problems_of_one_entry_are_counted_and_not_all_told() -> None:
    wrong = dict.fromkeys(("id", "task", "lead_time", "was_cancelled", "ground_truth"), "no")

    with pytest.raises(PayloadError, match=r"annotation\.0\.id.*, and 1 more") as caught:
        parse_webhook({"action": "ANNOTATION_CREATED", "annotation": wrong | {"parent_prediction": "x"}})

    assert len(str(caught.value)) < 600


FLOOD = 1_000_000


@pytest.mark.parametrize(
    ("action", "key", "entry"),
    [
        ("ANNOTATION_CREATED", "annotation", 1),
        ("ANNOTATIONS_CREATED", "annotation", {"id": 1}),
        ("ANNOTATION_UPDATED", "task", {"id": 1}),
        ("ANNOTATIONS_DELETED", "annotations", {"id": 1}),
        ("TASKS_CREATED", "tasks", {}),
    ],
)
def test_more_entries_than_label_studio_sends_are_not_looked_at(action: str, key: str, entry: object) -> None:
    body = {"action": action, key: [entry] * FLOOD}
    started = time.process_time()

    with pytest.raises(PayloadError, match=f"{key}: .*{FLOOD} entries found, at most 50000 wanted"):
        parse_webhook(body)

    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    ("action", "key", "entry"),
    [
        ("ANNOTATIONS_CREATED", "annotation", 1),
        ("ANNOTATIONS_UPDATED", "annotation", {"id": "x", "lead_time": "y"}),
        ("ANNOTATIONS_DELETED", "annotations", {"no": "id"}),
        ("TASKS_DELETED", "tasks", {"id": -1}),
    ],
)
def test_the_first_entry_that_is_wrong_is_the_one_that_is_told(action: str, key: str, entry: object) -> None:
    with pytest.raises(PayloadError) as caught:
        parse_webhook({"action": action, key: [{"id": 1}, *[entry] * 40_000]})

    assert f"{key}.1" in str(caught.value)
    assert f"{key}.2" not in str(caught.value)
    assert "more" not in str(caught.value)


def test_the_largest_calls_of_label_studio_are_read() -> None:
    body = event()
    many = range(1, 5001)
    body |= {
        "action": "ANNOTATIONS_CREATED",
        "annotation": [body["annotation"] | {"id": number, "task": number} for number in many],
        "task": [body["task"] | {"id": number, "data": {"text": "Where is it, please? " * 99}} for number in many],
    }
    check_event(json.dumps(body).encode())

    found = parse_webhook(body).annotations

    assert [change.task_id for change in found] == list(many)


@pytest.mark.parametrize("values", [b"{},", b"[],", b'"",', b"1,"])
def test_a_body_of_tiny_values_is_refused_before_it_is_parsed(values: bytes) -> None:
    with pytest.raises(PayloadError, match="2000001 commas found, at most 2000000 wanted"):
        check_event(b'{"a":[' + values * 2_000_001 + b"1]}")


@pytest.mark.parametrize(
    "change",
    [{"updated_at": "2" * 65}, {"updated_at": "2026\x00"}, {"completed_by": "x" * 65}, {"completed_by": "a\ud800"}],
    ids=ascii,
)
def test_names_and_times_that_no_database_holds_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PayloadError, match="at most 64 printable characters"):
        parse_webhook(event(**change))


@pytest.mark.parametrize(("version", "kept"), [("v" * 255, "v" * 255), ("v" * 256, None), ("v\x00", None)])
def test_a_version_that_no_database_holds_is_as_good_as_none(version: str, kept: str | None) -> None:
    prelabel = {"id": 5, "result": [{"from_name": "a"}], "model_version": version}

    change = only_change(parse_webhook(event(parent_prediction=5, prediction=prelabel)))

    assert change.prelabel_version == kept
