"""What a training leaves on disk for a later attempt to go on from: finished pieces, and LoRA's last epochs.

Everything is written whole or not at all, so a process may be killed at any moment. All tensors are safetensors.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic_files import atomic_file
from ...models.text.tokenised import Floats2d

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoints", "EpochCheckpoints", "EpochState"]

KEPT_EPOCHS = 3
ORIGIN = "origin.json"
FACTS = "facts"


@dataclass(frozen=True, slots=True)
class EpochState:
    """Where a LoRA training stood after an epoch.

    Attributes:
        epoch: from 1.
        tensors: weights, moments of the optimizer, state of the random generator: all that the next epoch depends on.
        facts: JSON values beside them.
    """

    epoch: int
    tensors: "Mapping[str, torch.Tensor]"
    facts: Mapping[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one training job.

    Args:
        folder: of their own; made where missing.
        origin: JSON values that determine the training. What was left by one of another origin is deleted.
        on_saved: told of every checkpoint, in a few words, once it is on disk; what it raises stops the training.
    """

    def __init__(self, folder: Path, origin: Mapping[str, Any], on_saved: Callable[[str], None]) -> None:
        self._folder = folder
        self._on_saved = on_saved
        text = json.dumps(origin, sort_keys=True)
        if not (folder / ORIGIN).is_file() or (folder / ORIGIN).read_text() != text:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _write(folder / ORIGIN, lambda path: path.write_text(text))

    def arrays(self, name: str, compute: Callable[[], Mapping[str, Floats2d]]) -> tuple[dict[str, Floats2d], bool]:
        """The named arrays: those of an earlier attempt, or computed now and kept; and True where they were there."""
        from safetensors.numpy import load_file, save_file

        path = self._folder / f"{name}.safetensors"
        if path.exists():
            return load_file(path), True
        computed = dict(compute())
        _write(path, lambda unfinished: save_file(computed, unfinished))
        self._on_saved(name)
        return computed, False

    def epochs(self, name: str) -> "EpochCheckpoints":
        """The checkpoints of one LoRA training within the job."""
        return EpochCheckpoints(self._folder, name, self._on_saved)


class EpochCheckpoints:
    """The last three epochs of one LoRA training."""

    def __init__(self, folder: Path, name: str, on_saved: Callable[[str], None]) -> None:
        self._folder = folder
        self._name = name
        self._on_saved = on_saved

    def newest(self) -> EpochState | None:
        """The newest that can be read; None where there is none."""
        from safetensors import SafetensorError, safe_open

        for epoch, path in sorted(self._found().items(), reverse=True):
            try:
                with safe_open(path, framework="pt") as file:
                    tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
                    return EpochState(epoch, tensors, json.loads(file.metadata()[FACTS]))
            except (SafetensorError, OSError, KeyError, ValueError):
                continue  # the disk was full, or damaged: the one before it will do
        return None

    def save(self, state: EpochState) -> None:
        """Keep it, and no more than two before it."""
        from safetensors.torch import save_file

        path = self._folder / f"{self._name}-epoch-{state.epoch}.safetensors"
        tensors = {name: tensor.detach().contiguous() for name, tensor in state.tensors.items()}
        _write(path, lambda unfinished: save_file(tensors, unfinished, metadata={FACTS: json.dumps(dict(state.facts))}))
        for epoch, old in self._found().items():
            if epoch <= state.epoch - KEPT_EPOCHS:
                old.unlink(missing_ok=True)
        self._on_saved(f"{self._name}, epoch {state.epoch}")

    def clear(self) -> None:
        """Delete them: what the training gave is kept otherwise."""
        for path in self._found().values():
            path.unlink(missing_ok=True)

    def _found(self) -> dict[int, Path]:
        prefix = f"{self._name}-epoch-"
        return {int(path.stem.removeprefix(prefix)): path for path in self._folder.glob(f"{prefix}*.safetensors")}


def _write(path: Path, save: Callable[[Path], object]) -> None:
    with atomic_file(path, is_synced=True) as draft:
        save(draft)
