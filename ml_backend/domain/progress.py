"""Progress of work that takes time, as jobs, commands and pages report it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

__all__ = ["Progress", "ProgressCallback"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of life.

    Attributes:
        fraction: share of the work that is done, from 0 to 1.
        stage: one word on what is being done.
        message: a sentence, with the time left where it can be estimated.
        metrics: figures of the moment, such as the loss.
    """

    fraction: float
    stage: str
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    def ignore(self) -> None:
        """Do nothing; `Progress.ignore` is the callback of callers that show no progress."""

    @staticmethod
    def share_of(report: "ProgressCallback", start: float, end: float, stage: str = "") -> "ProgressCallback":
        """Return a callback for one part of the work, whose fractions from 0 to 1 become those from `start` to `end`.

        Args:
            stage: replaces the part's own stages, unless it is empty.
        """

        def report_part(progress: Progress) -> None:
            fraction = start + progress.fraction * (end - start)
            report(replace(progress, fraction=fraction, stage=stage or progress.stage))

        return report_part


ProgressCallback: TypeAlias = Callable[[Progress], None]
"""Called at every step of the work, so it has to be cheap. An exception that it raises stops the work."""
