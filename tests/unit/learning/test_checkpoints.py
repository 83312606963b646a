"""What a training leaves behind."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ml_backend.learning.loop.checkpoints import Checkpoints, EpochState


class Killed(Exception):
    """Stands for the death of the process: nothing catches it."""


def kept(folder: Path, origin: object = "a", saved: list[str] | None = None) -> Checkpoints:
    return Checkpoints(folder, {"origin": origin}, (saved if saved is not None else []).append)


def state(epoch: int) -> EpochState:
    return EpochState(epoch, {"weight": torch.full((2, 2), float(epoch))}, {"best_epoch": epoch})


def test_arrays_are_computed_once(tmp_path: Path) -> None:
    saved: list[str] = []
    first, was_known = kept(tmp_path / "c", saved=saved).arrays("features", lambda: {"train": np.eye(2, dtype="f4")})
    again, is_known = kept(tmp_path / "c", saved=saved).arrays("features", lambda: pytest.fail("computed again"))

    assert (was_known, is_known, saved) == (False, True, ["features"])
    np.testing.assert_array_equal(first["train"], again["train"])
    assert again["train"].dtype == np.float32


def test_nothing_is_kept_of_arrays_whose_computing_fails(tmp_path: Path) -> None:
    def die() -> dict[str, np.ndarray]:
        raise Killed

    with pytest.raises(Killed):
        kept(tmp_path / "c").arrays("features", die)

    assert kept(tmp_path / "c").arrays("features", lambda: {"train": np.eye(2, dtype="f4")})[1] is False


def test_the_last_three_epochs_are_kept(tmp_path: Path) -> None:
    epochs = kept(tmp_path / "c").epochs("lora")
    for epoch in range(1, 6):
        epochs.save(state(epoch))

    newest = kept(tmp_path / "c").epochs("lora").newest()

    assert sorted(path.name for path in (tmp_path / "c").glob("lora-*")) == [
        f"lora-epoch-{epoch}.safetensors" for epoch in (3, 4, 5)
    ]
    assert newest is not None
    assert (newest.epoch, dict(newest.facts)) == (5, {"best_epoch": 5})
    torch.testing.assert_close(newest.tensors["weight"], torch.full((2, 2), 5.0))


def test_a_damaged_checkpoint_makes_the_one_before_it_count(tmp_path: Path) -> None:
    epochs = kept(tmp_path / "c").epochs("lora")
    for epoch in (1, 2, 3):
        epochs.save(state(epoch))
    newest, second = (tmp_path / "c" / f"lora-epoch-{epoch}.safetensors" for epoch in (3, 2))
    newest.write_bytes(newest.read_bytes()[:-3])
    second.write_bytes(b"")

    found = epochs.newest()

    assert found is not None
    assert found.epoch == 1


def test_an_unfinished_file_is_no_checkpoint(tmp_path: Path) -> None:
    epochs = kept(tmp_path / "c").epochs("lora")
    epochs.save(state(1))
    (tmp_path / "c" / ".unfinished-lora-epoch-2.safetensors").write_bytes(b"half")

    found = epochs.newest()

    assert found is not None
    assert found.epoch == 1


def test_checkpoints_of_other_trainings_are_told_apart_and_cleared_alone(tmp_path: Path) -> None:
    checkpoints = kept(tmp_path / "c")
    for name in ("fold-1", "fold-11", "lora"):
        checkpoints.epochs(name).save(state(1))

    checkpoints.epochs("fold-1").clear()

    assert checkpoints.epochs("fold-1").newest() is None
    assert checkpoints.epochs("fold-11").newest() is not None
    assert checkpoints.epochs("lora").newest() is not None


def test_what_another_training_left_is_deleted(tmp_path: Path) -> None:
    kept(tmp_path / "c", origin={"seed": 1}).epochs("lora").save(state(1))

    assert kept(tmp_path / "c", origin={"seed": 2}).epochs("lora").newest() is None
    assert json.loads((tmp_path / "c" / "origin.json").read_text()) == {"origin": {"seed": 2}}
