"""Tasks, events and plans, made short for the tests of snapshots."""

from collections.abc import Sequence
from typing import Any

from ml_backend.domain.annotation import Annotation, Region, Task
from ml_backend.domain.event import AnnotationEvent
from ml_backend.domain.example import Row
from ml_backend.domain.label_config import Control, Label, LabelConfig
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.snapshots.build import BuiltRows, build_rows
from ml_backend.snapshots.reviewed import BuildSettings, History
from ml_backend.tasks import ServingPlan, serving_plan
from tests.unit.tasks.plans import choices_region

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
ALL_TRAIN = SplitFractions(1, 0, 0)


def choice(value: str, control: str = "topic") -> Region:
    return choices_region([value], control)


def annotation(id: int, value: str | None, annotator: str = "1", **more: Any) -> Annotation:  # noqa: A002  its name
    return Annotation(id, annotator, (choice(value),) if value else (), **more)


def task(id: int, text: object, *values: str | Sequence[Region] | Annotation) -> Task:  # noqa: A002  its name
    """A task whose values are topics or results of annotators "1", "2" and so on, or whole annotations."""

    def given(position: int, value: str | Sequence[Region] | Annotation) -> Annotation:
        if isinstance(value, str):
            return annotation(100 * id + position, value, str(position))
        return value if isinstance(value, Annotation) else Annotation(100 * id + position, str(position), tuple(value))

    annotations = tuple(given(position, value) for position, value in enumerate(values, start=1))
    return Task(id, {"text": text, "secret": "never exported"}, annotations)


def history_of(*events: AnnotationEvent) -> History:
    told = {event.annotation_id: event for event in events}
    return lambda _task, annotation: told.get(annotation.id)


def no_history(_task: Task, _annotation: Annotation) -> None:
    """Nobody saw how the annotation came about."""


def built(
    tasks: Sequence[Task], *, over: ServingPlan | None = None, history: History = no_history, **settings: Any
) -> BuiltRows:
    return build_rows(tasks, over or serving_plan(CONFIG), BuildSettings(**settings), history)


def only(rows: BuiltRows) -> Row:
    (row,) = [row for split in Split for row in rows.splits[split]] + list(rows.unresolved)
    return row


def text_in(split: Split, start: str = "text", fractions: SplitFractions | None = None) -> str:
    """A text that the rule puts into the split."""
    texts = (f"{start} {number}" for number in range(10_000))
    return next(text for text in texts if (fractions or SplitFractions()).split_of(text) is split)
