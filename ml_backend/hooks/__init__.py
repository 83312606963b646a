"""Hooks: other people's code at the loop's turning points.

A hook is any object with functions that carry the mark `hookimpl`; `HookSpecs` lists the turning points. It is found as
an entry point of the group `labelloop`, or named in `LABELLOOP_HOOKS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

import pluggy

from ..domain.annotation import Prediction
from ..domain.example import Row
from ..domain.snapshot import Snapshot

__all__ = ["DROP", "HookSpecs", "TrainingInfo", "hookimpl"]

_GROUP = "labelloop"
_hookspec = pluggy.HookspecMarker(_GROUP)
hookimpl = pluggy.HookimplMarker(_GROUP)


class _Drop(Enum):
    """The type of `DROP`."""

    DROP = "drop"


DROP: Final = _Drop.DROP
"""The value that `row_read` returns for a row that is to be left out."""


@dataclass(frozen=True, slots=True)
class TrainingInfo:
    """A training that is about to start, or a version that it made.

    Attributes:
        project: the project's key, `<slug>-<id>`.
        snapshot: what is trained on; `snapshot.path` is its folder.
        model_version: name of the version.
        metrics: of the validation rows; empty before the training.
    """

    project: str
    snapshot: Snapshot
    model_version: str
    metrics: Mapping[str, float]


class HookSpecs:
    """All hooks. A function that implements one names the arguments that it needs, and no others.

    The first three decide: labelloop waits for the answer, for as long as `LABELLOOP_HOOK_TIMEOUT_S`. If one raises or
    takes longer, what was about to happen does not happen, and the error names the hook. The others get news: they run
    beside the loop, one after the other, and their errors are logged.
    """

    GROUP = _GROUP
    """Name of the marks, and of the entry points."""

    @_hookspec
    def row_read(self, row: Row, labels: Mapping[str, frozenset[str]]) -> Row | Literal[_Drop.DROP]:  # type: ignore[empty-body]
        """Return the row, changed or not, or `DROP`.

        Every reviewed row passes, before it enters a snapshot, an export or an evaluation. Its split is decided by the
        text as it was before. A hook that changes the text has to keep the positions of entities right. Fields that it
        adds to the row's input are ignored.

        Args:
            labels: the labels that each control offers; a control without labels is answered with free text.
        """

    @_hookspec
    def before_training(self, training: TrainingInfo) -> None:
        """Raise to stop a training before it starts."""

    @_hookspec
    def before_promotion(self, project: str, model_version: str, previous: str, reason: str) -> str | None:
        """Return why the version must not serve, or None.

        A promotion that somebody forces, a rollback among them, is not asked about.

        Args:
            previous: the version that serves now.
            reason: why it is about to be promoted.
        """

    @_hookspec
    def snapshot_written(self, snapshot: Snapshot) -> None:
        """Take the news that a snapshot is on disk. It was there before where `snapshot.is_new` is False."""

    @_hookspec
    def model_trained(self, training: TrainingInfo) -> None:
        """Take the news that a version was trained and registered, before the gate."""

    @_hookspec
    def model_promoted(self, project: str, model_version: str, previous: str, reason: str) -> None:
        """Take the news that another version serves."""

    @_hookspec
    def drift_found(self, project: str, model_version: str, kind: str, sentence: str) -> None:
        """Take the news that something has changed since a version was trained. It comes once per version and kind.

        Args:
            kind: `texts`, `labels` or `errors`.
            sentence: what was seen.
        """

    @_hookspec
    def predictions_made(self, project: str, model_version: str, predictions: Sequence[tuple[int, Prediction]]) -> None:
        """Take the predictions of a request of Label Studio or of a push, as pairs of task id and prediction."""
