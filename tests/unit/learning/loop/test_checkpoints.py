"""Files that a later attempt at a training resumes from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ml_backend.learning.loop.checkpoints import Checkpoints, EpochCheckpoints, EpochState


class Killed(Exception):
    """Stands for the death of the process: nothing catches it."""


def in_folder(folder: Path, seed: int = 1, saved: list[str] | None = None) -> Checkpoints:
    return Checkpoints(folder / "c", {"seed": seed}, (saved if saved is not None else []).append)


def newest_of(epochs: EpochCheckpoints) -> int | None:
    state = epochs.newest()
    return state.epoch if state else None


@pytest.fixture
def epochs(tmp_path: Path) -> EpochCheckpoints:
    """Three epochs that were saved."""
    checkpoints = in_folder(tmp_path).epochs("lora")
    for epoch in (1, 2, 3):
        checkpoints.save(EpochState(epoch, {"weight": torch.full((2, 2), float(epoch))}, {"best_epoch": epoch}))
    return checkpoints


def test_arrays_are_computed_once(tmp_path: Path) -> None:
    saved: list[str] = []
    first, was_known = in_folder(tmp_path, saved=saved).arrays("features", lambda: {"train": np.eye(2, dtype="f4")})
    again, is_known = in_folder(tmp_path, saved=saved).arrays("features", lambda: pytest.fail("computed again"))

    assert (was_known, is_known, saved) == (False, True, ["features"])
    np.testing.assert_array_equal(first["train"], again["train"])
    assert again["train"].dtype == np.float32


def test_nothing_is_kept_of_arrays_whose_computing_fails(tmp_path: Path) -> None:
    def die() -> dict[str, np.ndarray]:
        raise Killed

    with pytest.raises(Killed):
        in_folder(tmp_path).arrays("features", die)

    assert in_folder(tmp_path).arrays("features", lambda: {"train": np.eye(2, dtype="f4")})[1] is False


def test_the_last_three_epochs_are_kept(tmp_path: Path, epochs: EpochCheckpoints) -> None:
    for epoch in (4, 5):
        epochs.save(EpochState(epoch, {"weight": torch.full((2, 2), float(epoch))}, {"best_epoch": epoch}))

    newest = in_folder(tmp_path).epochs("lora").newest()

    names = sorted(path.name for path in (tmp_path / "c").glob("lora-*"))
    assert names == [f"lora-epoch-{epoch}.safetensors" for epoch in (3, 4, 5)]
    assert newest is not None
    assert (newest.epoch, dict(newest.facts)) == (5, {"best_epoch": 5})
    torch.testing.assert_close(newest.tensors["weight"], torch.full((2, 2), 5.0))


def test_a_damaged_checkpoint_makes_the_one_before_it_count(tmp_path: Path, epochs: EpochCheckpoints) -> None:
    newest, second = (tmp_path / "c" / f"lora-epoch-{epoch}.safetensors" for epoch in (3, 2))
    newest.write_bytes(newest.read_bytes()[:-3])
    second.write_bytes(b"")

    assert newest_of(epochs) == 1


@pytest.mark.parametrize("metadata", [None, {"facts": "{}"}, {"facts": "{}", "format": "1"}])
def test_a_checkpoint_of_a_former_form_is_passed_over(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    from safetensors.torch import save_file

    epochs = in_folder(tmp_path).epochs("lora")
    save_file({"weight": torch.zeros(2)}, tmp_path / "c" / "lora-epoch-1.safetensors", metadata=metadata)

    assert newest_of(epochs) is None


def test_an_unfinished_file_is_no_checkpoint_and_goes_with_the_next_attempt(
    tmp_path: Path, epochs: EpochCheckpoints
) -> None:
    unfinished = tmp_path / "c" / ".lora-epoch-4.safetensors-x"
    unfinished.write_bytes(b"half")

    assert newest_of(in_folder(tmp_path).epochs("lora")) == 3
    assert not unfinished.exists()


def test_checkpoints_of_other_trainings_are_told_apart_and_cleared_alone(tmp_path: Path) -> None:
    checkpoints = in_folder(tmp_path)
    names = ("fold-1", "fold-11", "lora")
    for name in names:
        checkpoints.epochs(name).save(EpochState(1, {}))

    checkpoints.epochs("fold-1").clear()

    assert [newest_of(checkpoints.epochs(name)) for name in names] == [None, 1, 1]


def test_what_another_training_left_is_deleted(tmp_path: Path, epochs: EpochCheckpoints) -> None:
    assert newest_of(in_folder(tmp_path, seed=2).epochs("lora")) is None
    assert json.loads((tmp_path / "c" / "origin.json").read_text()) == {"seed": 2}
