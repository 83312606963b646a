"""Files that a later attempt at a training resumes from: finished pieces, and the last epochs of each tuning.

Everything is written whole or not at all, so a process may be killed at any moment. All tensors are safetensors.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...arrays import Floats2d
from ...atomic_files import atomic_file

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoints", "EpochCheckpoints", "EpochState"]

KEPT_EPOCHS = 3
ORIGIN = "origin.json"
FACTS, FORMAT = "facts", "format"
EPOCH_FORMAT = "2"
"""Changes with what an epoch's tensors and facts are, so that a checkpoint of another form is passed over."""


@dataclass(frozen=True, slots=True)
class EpochState:
    """A training after an epoch.

    Attributes:
        epoch: from 1.
        tensors: weights, moments of the optimizer, states of the random generators: all that the next epoch depends on.
        facts: JSON values beside them.
    """

    epoch: int
    tensors: "Mapping[str, torch.Tensor]"
    facts: Mapping[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one training job.

    Args:
        folder: for them alone; made where missing.
        origin: JSON values that determine the training. What one of another origin left is deleted.
        on_saved: called with the name of every checkpoint once it is on disk; what it raises stops the training.
    """

    def __init__(self, folder: Path, origin: Mapping[str, Any], on_saved: Callable[[str], None] | None = None) -> None:
        self._folder, self._on_saved = folder, on_saved
        text = json.dumps(origin, sort_keys=True)
        if not (folder / ORIGIN).is_file() or (folder / ORIGIN).read_text() != text:
            shutil.rmtree(folder, ignore_errors=True)
            with atomic_file(folder / ORIGIN, is_synced=True) as draft:
                draft.write_text(text)
        for draft in folder.glob(".*"):  # a process was killed while it wrote them
            draft.unlink(missing_ok=True)

    def arrays(self, name: str, compute: Callable[[], Mapping[str, Floats2d]]) -> tuple[dict[str, Floats2d], bool]:
        """The named arrays: from an earlier attempt, with True, or computed now and kept."""
        from safetensors.numpy import load_file, save_file

        path = self._path(name)
        if path.exists():
            return load_file(path), True
        computed = dict(compute())
        with atomic_file(path, is_synced=True) as draft:
            save_file(computed, draft)
        if self._on_saved is not None:
            self._on_saved(name)
        return computed, False

    def holds(self, name: str) -> bool:
        """True where an earlier attempt has kept arrays of this name."""
        return self._path(name).exists()

    def epochs(self, name: str) -> "EpochCheckpoints":
        """The checkpoints of one tuning within the job."""
        return EpochCheckpoints(self._folder, name, self._on_saved)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.safetensors"


class EpochCheckpoints:
    """The last three epochs of one tuning."""

    def __init__(self, folder: Path, name: str, on_saved: Callable[[str], None] | None) -> None:
        self._folder, self._name, self._on_saved = folder, name, on_saved

    def newest(self) -> EpochState | None:
        """The newest that can be read; None where there is none."""
        from safetensors import SafetensorError, safe_open

        for epoch, path in sorted(self._paths().items(), reverse=True):
            try:
                with safe_open(path, framework="pt") as file:
                    metadata = file.metadata() or {}
                    if metadata.get(FORMAT) == EPOCH_FORMAT:
                        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
                        return EpochState(epoch, tensors, json.loads(metadata[FACTS]))
            except (SafetensorError, OSError, KeyError, ValueError):
                continue  # the disk was full, or damaged: the one before it will do
        return None

    def save(self, state: EpochState) -> None:
        """Keep it, and no more than two before it."""
        from safetensors.torch import save_file

        tensors = {name: tensor.detach().contiguous() for name, tensor in state.tensors.items()}
        metadata = {FORMAT: EPOCH_FORMAT, FACTS: json.dumps(dict(state.facts))}
        path = self._folder / f"{self._name}-epoch-{state.epoch}.safetensors"
        with atomic_file(path, is_synced=True) as draft:
            save_file(tensors, draft, metadata=metadata)
        for epoch, old in self._paths().items():
            if epoch <= state.epoch - KEPT_EPOCHS:
                old.unlink(missing_ok=True)
        if self._on_saved is not None:
            self._on_saved(f"{self._name}, epoch {state.epoch}")

    def clear(self) -> None:
        """Delete them once the result of the tuning is kept otherwise."""
        for path in self._paths().values():
            path.unlink(missing_ok=True)

    def _paths(self) -> dict[int, Path]:
        prefix = f"{self._name}-epoch-"
        return {int(path.stem.removeprefix(prefix)): path for path in self._folder.glob(f"{prefix}*.safetensors")}
