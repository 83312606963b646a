import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.model import Method
from ml_backend.domain.progress import Progress
from ml_backend.learning.classification.cross_validation import HeldOut
from ml_backend.learning.classification.trainer import Trainer
from ml_backend.learning.loop.checkpoints import Checkpoints
from ml_backend.learning.loop.meter import ProgressMeter
from ml_backend.learning.loop.observer import TrainingObserver
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.folds import Fold, stratified_folds
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import FAST, linear_data


def folds_of(indices: list[int], folds: int = 5, scored: int = 1000, most: int = 4000, seed: int = 0):
    return stratified_folds(
        np.array(indices), folds=folds, scored_rows=scored, most_rows=most, rng=np.random.default_rng(seed)
    )


@given(st.lists(st.integers(0, 5), min_size=2, max_size=120), st.integers(2, 6), st.integers(0, 99))
def test_no_row_is_scored_twice_or_by_a_model_that_saw_it_and_every_class_is_always_trained_on(
    indices: list[int], folds: int, seed: int
) -> None:
    made = folds_of(indices, folds=folds, seed=seed)

    scored = [row for fold in made for row in fold.scored.tolist()]
    assert len(scored) == len(set(scored))
    assert len(made) <= folds
    for fold in made:
        assert not set(fold.scored.tolist()) & set(fold.train.tolist())
        assert {indices[row] for row in fold.train} == set(indices)
    singles = {row for row, k in enumerate(indices) if indices.count(k) == 1}
    assert set(scored) == set(range(len(indices))) - singles


def test_every_class_is_spread_evenly_over_the_folds() -> None:
    indices = [0] * 50 + [1] * 10

    made = folds_of(indices)

    assert [sum(indices[row] == 0 for row in fold.scored) for fold in made] == [10] * 5
    assert [sum(indices[row] == 1 for row in fold.scored) for fold in made] == [2] * 5


def test_many_rows_are_cut_down_with_each_class_in_proportion() -> None:
    indices = [0] * 8000 + [1] * 1990 + [2] * 10

    made = folds_of(indices, scored=1000, most=1500)

    (fold,) = made
    assert len(fold.scored) == 1500
    assert len(fold.train) == 1500
    counts = np.bincount(np.array(indices)[fold.train], minlength=3)
    assert counts[0] == pytest.approx(1200, abs=5)
    assert counts[2] >= 1


@pytest.mark.parametrize(("head", "tuned"), [("softmax", Method.LORA), ("sigmoid", Method.FULL), ("tags", Method.LORA)])
def test_out_of_fold_logits_stand_beside_their_rows(
    encoder: TextEncoder, tmp_path: Path, head: str, tuned: Method
) -> None:
    data = linear_data(head, validation=0)
    objective = Objective.of(head, data.labels)
    objective.prepare(encoder, data.train)
    trainer = Trainer.for_rows(encoder, objective, FAST, len(data.train))
    encoded = objective.encode(encoder, data.train)
    features = encoder.vectors(encoded.tokenised)
    folds = folds_of(objective.strata(data.train.targets).tolist(), folds=2)
    stages: list[str] = []
    done: list[tuple[Fold, bool]] = []

    meter = ProgressMeter(lambda progress: stages.append(progress.stage), 100)
    held_out = HeldOut.out_of_fold(
        trainer,
        encoded,
        features,
        folds,
        tuned=tuned,
        observer=lambda fold: TrainingObserver(meter, f"fold {fold}", rows_per_epoch=12),
        checkpoints=Checkpoints(tmp_path / "checkpoints", {}),
        on_fold=lambda fold, is_known: done.append((fold, is_known)),
    )

    assert sorted(held_out.encoded.rows.texts) == sorted(data.train.texts)
    assert set(stages) == {"fold 1", "fold 2"}
    assert done == [(fold, False) for fold in folds]
    first_unit = 0
    for number, fold in enumerate(folds):
        regression = trainer.regression(encoded.take(fold.train), features[encoded.tokenised.units_of(fold.train)])
        units = encoded.tokenised.units_of(fold.scored)
        part = slice(first_unit, first_unit + len(units))
        np.testing.assert_allclose(
            held_out.logits[Method.REGRESSION][part], regression.logits(features[units]), atol=1e-4
        )
        rows = slice(number * 12, number * 12 + 12)
        assert held_out.encoded.rows.targets[rows] == data.train.take(fold.scored).targets
        np.testing.assert_array_equal(held_out.encoded.codes[part], encoded.codes[units])
        first_unit += len(units)
    assert first_unit == encoded.tokenised.units
    assert held_out.logits[tuned].shape == (encoded.tokenised.units, objective.decoder.columns)
    assert not np.allclose(held_out.logits[tuned], held_out.logits[Method.REGRESSION], atol=1e-3)
    np.testing.assert_allclose(encoder.vectors(encoded.tokenised), features, atol=1e-6)


def test_folds_end_when_their_rows_are_enough(encoder: TextEncoder, tmp_path: Path) -> None:
    data = linear_data("softmax", validation=0)
    objective = Objective.of("softmax", data.labels)
    objective.prepare(encoder, data.train)
    encoded = objective.encode(encoder, data.train)
    folds = folds_of(objective.strata(data.train.targets).tolist(), folds=4)
    scored: list[int] = []
    without_work: list[bool] = []

    def is_enough(held_out: HeldOut) -> bool:
        scored.append(len(held_out.encoded))
        return len(scored) == 2

    held_out = HeldOut.out_of_fold(
        Trainer.for_rows(encoder, objective, FAST, len(data.train)),
        encoded,
        encoder.vectors(encoded.tokenised),
        folds,
        tuned=None,
        observer=lambda _: TrainingObserver(ProgressMeter(lambda _: None, 100), "comparing", rows_per_epoch=18),
        checkpoints=Checkpoints(tmp_path / "checkpoints", {}),
        on_fold=lambda _, is_known: without_work.append(is_known),
        is_enough=is_enough,
    )

    assert scored[:2] == [6, 12]
    assert without_work == [False, False, True, True]
    assert len(held_out.encoded) == 12


def test_folds_that_another_machine_trains_are_the_same_and_one_that_it_fails_at_is_trained_here(
    encoder: TextEncoder, tmp_path: Path
) -> None:
    data = linear_data("softmax", validation=0)
    objective = Objective.of("softmax", data.labels)
    objective.prepare(encoder, data.train)
    encoded = objective.encode(encoder, data.train)
    features = encoder.vectors(encoded.tokenised)
    folds = folds_of(objective.strata(data.train.targets).tolist(), folds=3)
    trained_here: list[int] = []

    @contextmanager
    def share(kind: str, calls: Mapping[int, Callable[[], object]]) -> Iterator[Callable[[int], object]]:
        assert (kind, list(calls)) == ("audit", [2, 3])
        packed = pickle.dumps(dict(calls))
        yield lambda number: pickle.loads(packed)[number]() if number == 2 else None

    def logits(folder: str, **more: Any) -> Mapping[Method, Any]:
        trained_here.clear()

        def observer(number: int) -> TrainingObserver:
            def report(_progress: Progress) -> None:
                trained_here.append(number)

            return TrainingObserver(ProgressMeter(report, 100), "judging", rows_per_epoch=18)

        return HeldOut.out_of_fold(
            Trainer.for_rows(encoder, objective, FAST, len(data.train)),
            encoded,
            features,
            folds,
            tuned=Method.LORA,
            observer=observer,
            checkpoints=Checkpoints(tmp_path / folder, {}),
            on_fold=lambda *_: None,
            **more,
        ).logits

    alone = logits("alone")
    assert set(trained_here) == {1, 2, 3}
    shared = logits("shared", share=share)
    assert set(trained_here) == {1, 3}
    for method, found in alone.items():
        np.testing.assert_allclose(shared[method], found, atol=1e-5)
