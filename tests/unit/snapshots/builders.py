"""Tasks, events and plans, made short for the tests of snapshots."""

from collections.abc import Sequence
from typing import Any

from ml_backend.domain.annotation import Annotation, Region, Task
from ml_backend.domain.event import AnnotationEvent
from ml_backend.domain.label_config import Control, Label, LabelConfig
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.snapshots.build import BuiltRows, build_rows
from ml_backend.snapshots.reviewed import BuildSettings, History
from ml_backend.tasks import ServingPlan, serving_plan

CONFIG = LabelConfig(
    "<View/>",
    (
        Control(
            "topic",
            "Choices",
            ObjectTag("text", "Text", "text"),
            (Label("billing", "Billing"), Label("login", "Login"), Label("other", "Other")),
            {"choice": "single"},
        ),
    ),
)


def plan() -> ServingPlan:
    return serving_plan(CONFIG)


def choice(value: str, control: str = "topic") -> Region:
    return {"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": [value]}}


def annotation(id: int, value: str | None, annotator: str = "1", **more: Any) -> Annotation:  # noqa: A002  its name
    return Annotation(id, annotator, (choice(value),) if value else (), **more)


def task(id: int, text: object, *values: str | Annotation) -> Task:  # noqa: A002  its name
    """A task whose values are answers of annotators "1", "2" and so on, or whole annotations."""
    annotations = tuple(
        value if isinstance(value, Annotation) else annotation(100 * id + position, value, str(position))
        for position, value in enumerate(values, start=1)
    )
    return Task(id, {"text": text, "secret": "never exported"}, annotations)


def history_of(*events: AnnotationEvent) -> History:
    told = {event.annotation_id: event for event in events}
    return lambda _task, annotation: told.get(annotation.id)


def built(tasks: Sequence[Task], *, history: History = lambda _task, _annotation: None, **settings: Any) -> BuiltRows:
    return build_rows(tasks, plan(), BuildSettings(**settings), history)


def text_in(split: Split, start: str = "text", fractions: SplitFractions | None = None) -> str:
    """A text that the rule puts into the split."""
    texts = (f"{start} {number}" for number in range(10_000))
    return next(text for text in texts if (fractions or SplitFractions()).split_of(text) is split)
