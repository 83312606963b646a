"""Read why people answered as they did: their words, and the pieces of the text that they marked."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..domain.annotation import Annotation, Region, Task
from ..domain.example import AnnotatorLabel, Part, Provenance, Row, Span, Target, label_of, parts_of, spans_in
from ..domain.reasons import Reason
from . import ServedControl, ServingPlan

__all__ = ["Explanation"]


class Explanation(NamedTuple):
    """The reasons that one annotator gave for one label of an answer.

    Attributes:
        label: empty where nothing applies.
        parts: of the answer, those with the label.
        words: empty where only pieces were marked.
        evidence: the pieces of the text that tell.
    """

    task_id: int
    annotation_id: int
    annotator: str
    control: str
    label: str
    parts: tuple[Part, ...]
    words: str
    evidence: tuple[str, ...]

    @staticmethod
    def rows(task: Task, plan: ServingPlan) -> Iterator[Row]:
        """Yield a row per answer that an annotator explained, whose targets are that answer and its reasons.

        As rows they pass the hooks that mask personal data like any other. Where a reason belongs to a marked piece of
        the text, the answer is that piece alone. One whose answer or marks cannot be read is a row without a target.
        """
        for annotation in task.annotations if plan.explaining else ():
            if not annotation.was_cancelled:
                for number, targets in enumerate(_explained(annotation, plan, plan.text(task.data))):
                    yield Row(
                        id=f"task-{task.id}-{annotation.id}-{number}",
                        task_id=task.id,
                        input=plan.input(task.data),
                        targets=targets,
                        labels=(AnnotatorLabel(annotation.annotator, targets, blind=False),),
                        provenance=Provenance((annotation.id,)),
                    )

    @classmethod
    def of(cls, row: Row, plan: ServingPlan) -> "Iterator[Explanation]":
        """Yield what one of these rows says, per label of its answer; nothing where a hook took the answer out."""
        served = next((each for each in plan.controls if each.name in row.targets), None)
        if served is None:
            return
        reasons = [(each, row.targets[each.name]) for each in plan.explaining if each.name in row.targets]
        words = "\n".join(target for _, target in reasons if isinstance(target, str))
        marks = [
            (span.label, each.control.text_in(row.text)[span.start : span.end])
            for each, target in reasons
            for span in spans_in(target)
        ]
        known, given = served.control.label_values, parts_of(row.targets[served.name])
        for label in dict.fromkeys(map(label_of, given)) or [""]:
            parts = tuple(part for part in given if label_of(part) == label)
            # A mark that carries a label of the control speaks for that one, any other for all that was answered.
            evidence = [piece for mark, piece in marks if mark == label or mark not in known]
            if served.control.marks_regions:
                text = served.control.text_in(row.text)
                evidence += [text[part.start : part.end] for part in parts if isinstance(part, Span)]
            if words or evidence:
                (annotation_id,), annotators = row.provenance.annotation_ids, [each.annotator for each in row.labels]
                annotator = annotators[0] if annotators else Annotation.UNKNOWN_ANNOTATOR
                yield cls(row.task_id, annotation_id, annotator, served.name, label, parts, words, tuple(evidence))


def _explained(annotation: Annotation, plan: ServingPlan, text: str) -> Iterator[dict[str, Target]]:
    """Yield each explained answer of an annotation with its reasons; nothing at all for one that cannot be read."""
    for served in plan.labeled:
        about = [each for each in plan.explaining if plan.config.explains(each.control) == served.name]
        for result, asked in _results(annotation.result, about):
            answer = served.answer(result if served.control.marks_regions else annotation.result, text)
            reasons = [(each.name, each.answer(result, text)) for each in asked]
            said = {name: reason.target for name, reason in reasons if reason.target}
            is_whole = all(
                reason.target is not None or set(reason.reasons) <= {Reason.EMPTY_ANSWER} for _, reason in reasons
            )
            if said or not is_whole:
                yield {served.name: answer.target, **said} if answer.target is not None and is_whole else {}


def _results(
    result: Sequence[Region], about: Sequence[ServedControl]
) -> Iterator[tuple[Sequence[Region], Sequence[ServedControl]]]:
    """Yield the regions that belong together, with the controls that explain them.

    The editor gives a reason that belongs to a marked region that region's id.
    """
    by_region = {each.name for each in about if each.control.has("perregion")}
    yield result, [each for each in about if each.name not in by_region]
    for region_id in dict.fromkeys(str(region.get("id")) for region in result if region.get("from_name") in by_region):
        yield [region for region in result if str(region.get("id")) == region_id], about
