"""The turning points of the loop, and what a hook is told at each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

import pluggy

from ..domain.annotation import Prediction
from ..domain.example import Row
from ..domain.snapshot import Snapshot

__all__ = ["DROP", "GROUP", "Drop", "HookSpecs", "Training", "hookimpl", "hookspec"]

GROUP = "labelloop"
"""Name of the marks, and of the entry points."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Drop(Enum):
    """The type of `DROP`."""

    DROP = "drop"


DROP: Final = Drop.DROP
"""What `row_read` returns for a row that is to be left out."""


@dataclass(frozen=True, slots=True)
class Training:
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
    """The hooks there are. One takes any of a hook's arguments by name, and none that it does not need.

    The first three decide: labelloop waits for the answer, for as long as `LABELLOOP_HOOK_TIMEOUT_S`. If one raises or
    takes longer, what was about to happen does not happen, and the error names the hook. The others are told: they run
    beside the loop, one after the other, and an error of theirs is logged.
    """

    @hookspec
    def row_read(self, row: Row, labels: Mapping[str, frozenset[str]]) -> Row | Literal[Drop.DROP]:  # type: ignore[empty-body]
        """Return the row, changed or not, or `DROP`.

        Every reviewed row passes, before it enters a snapshot, an export or an evaluation. Its split is that of the
        text as it was before. Whoever changes the text keeps the positions of entities right.

        Args:
            labels: the labels that each control offers; a control without labels is answered with free text.
        """

    @hookspec
    def before_training(self, training: Training) -> None:
        """Raise to stop a training before it starts."""

    @hookspec
    def before_promotion(self, project: str, model_version: str, previous: str, reason: str) -> str | None:
        """Return why the version must not serve, or None.

        A promotion that somebody forces, a rollback among them, is not asked about.

        Args:
            previous: the version that serves now.
            reason: why it is about to be promoted.
        """

    @hookspec
    def snapshot_written(self, snapshot: Snapshot) -> None:
        """Told that a snapshot is on disk. It was there before where `snapshot.is_new` is False."""

    @hookspec
    def model_trained(self, training: Training) -> None:
        """Told that a version was trained and registered, before the gate."""

    @hookspec
    def model_promoted(self, project: str, model_version: str, previous: str, reason: str) -> None:
        """Told that another version serves."""

    @hookspec
    def predictions_made(self, project: str, model_version: str, predictions: Sequence[tuple[int, Prediction]]) -> None:
        """Told what was predicted for which task ids, in a request of Label Studio or in a push."""
