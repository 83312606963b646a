"""Decide whether a task counts as reviewed: by a setting, as Label Studio Community has no review event."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..domain.annotation import Annotation, Region, Task, flat_choices
from ..errors import ConfigurationError

__all__ = ["ReviewRule"]


class _ReviewMode(StrEnum):
    """The act that makes an annotation count."""

    SUBMITTED = "submitted"
    GROUND_TRUTH = "ground_truth"
    APPROVED = "approved"
    AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class ReviewRule:
    """Which annotations count as reviewed. `str` gives the setting back.

    Attributes:
        control: the control that holds the approval; with APPROVED only.
        value: the approving value; with APPROVED only.
        annotators: how many must agree; with AGREEMENT only.
    """

    mode: _ReviewMode = _ReviewMode.SUBMITTED
    control: str = ""
    value: str = ""
    annotators: int = 0

    @classmethod
    def parse(cls, text: str) -> "ReviewRule":
        """Read `submitted`, `ground_truth`, `approved:<control>=<value>` or `agreement:<N>`.

        Raises:
            ConfigurationError: the text is none of these.
        """
        mode, has_argument, argument = (part.strip() for part in text.partition(":"))
        if mode in (_ReviewMode.SUBMITTED, _ReviewMode.GROUND_TRUTH) and not has_argument:
            return cls(_ReviewMode(mode))
        if mode == _ReviewMode.APPROVED:
            control, _, value = (part.strip() for part in argument.partition("="))
            if control and value:
                return cls(_ReviewMode.APPROVED, control=control, value=value)
        if mode == _ReviewMode.AGREEMENT and argument.isascii() and argument.isdecimal() and int(argument) > 0:
            return cls(_ReviewMode.AGREEMENT, annotators=int(argument))
        raise ConfigurationError(
            f"review rule {text!r} found; wanted submitted, ground_truth, approved:<control>=<value> "
            "(such as approved:review=ok) or agreement:<N> (such as agreement:2); set LABELLOOP_REVIEW_RULE to one"
        )

    def __str__(self) -> str:
        if self.mode is _ReviewMode.APPROVED:
            return f"{self.mode}:{self.control}={self.value}"
        return f"{self.mode}:{self.annotators}" if self.mode is _ReviewMode.AGREEMENT else str(self.mode)

    def annotations_that_count(
        self, task: Task, answer: Callable[[Annotation], Hashable | None]
    ) -> tuple[Annotation, ...]:
        """Return the annotations that count, ordered by id; empty where the task is not reviewed.

        Skipped annotations never count, and of one annotator the latest does. Annotations whose annotator is not
        known may be anybody's, so all of them stay; towards an agreement they are one voice.

        Args:
            answer: what annotators have to agree on, None for no answer.
        """
        submitted = [annotation for annotation in task.annotations if not annotation.was_cancelled]
        if self.mode is _ReviewMode.GROUND_TRUTH:
            # The star is put on one annotation by hand; a newer one of the same person does not take it over.
            return _latest_per_annotator(a for a in submitted if a.ground_truth)
        latest = _latest_per_annotator(submitted)
        if self.mode is _ReviewMode.APPROVED:
            return tuple(a for a in latest if self._is_approved(a))
        if self.mode is _ReviewMode.AGREEMENT and _most_agreeing(latest, answer) < self.annotators:
            return ()
        return latest

    def _is_approved(self, annotation: Annotation) -> bool:
        """True where the control was answered with the value; an answer that contradicts itself approves nothing."""
        verdicts = [region for region in annotation.result if region.get("from_name") == self.control]
        return bool(verdicts) and all(self._is_approval(region) for region in verdicts)

    def _is_approval(self, region: Region) -> bool:
        value = region.get("value")
        answers = map(flat_choices, value.values() if isinstance(value, dict) else [value])
        return any(self.value in map(str, a if isinstance(a, list) else [a]) for a in answers)


def _latest_per_annotator(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    latest: dict[object, Annotation] = {}
    for annotation in sorted(annotations, key=lambda each: (each.last_change, each.id)):
        is_known = annotation.annotator != Annotation.UNKNOWN_ANNOTATOR
        latest[annotation.annotator if is_known else annotation.id] = annotation
    return tuple(sorted(latest.values(), key=lambda annotation: annotation.id))


def _most_agreeing(annotations: Iterable[Annotation], answer: Callable[[Annotation], Hashable | None]) -> int:
    voices = {(reply, a.annotator) for a in annotations if (reply := answer(a)) is not None}
    return max(Counter(reply for reply, _ in voices).values(), default=0)
