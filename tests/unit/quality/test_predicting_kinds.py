from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.example import Row, Span
from ml_backend.domain.model import Method
from ml_backend.domain.progress import Progress
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.quality.out_of_sample import audit_settings, predict_out_of_sample
from ml_backend.quality.predictions import OutOfSamplePredictions
from ml_backend.quality.reviewed_texts import ReviewedTexts
from tests.unit.learning.builders import CONTROLS, FAST, make_row, served, topic_rows

EVERY = ("softmax", "sigmoid", "tags")
NEW = ("sigmoid", "tags")

Predict = Callable[..., tuple[np.ndarray, Sequence[OutOfSamplePredictions]]]


@pytest.fixture
def predict(base_model: str, tmp_path: Path) -> Predict:
    def predicted(
        rows: list[Row],
        *heads: str,
        settings: TrainingSettings | None = None,
        told: list[Progress] | None = None,
        cache: Path = tmp_path,
    ) -> tuple[np.ndarray, Sequence[OutOfSamplePredictions]]:
        return predict_out_of_sample(
            [reviewed(rows, head) for head in heads],
            settings or audit_settings(is_deep=False, seed=1),
            base_model=base_model,
            cache=cache,
            report=([] if told is None else told).append,
        )

    return predicted


def reviewed(rows: list[Row], head: str) -> ReviewedTexts:
    return ReviewedTexts.of(rows, served(CONTROLS[head]))


def chances(predictions: OutOfSamplePredictions) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of what people answered, and of what they might have."""
    given = predictions.codes > 0
    if predictions.codes.ndim == 1:
        given = np.arange(predictions.probabilities.shape[1]) == predictions.codes[:, None]
    return predictions.probabilities[given], predictions.probabilities[~given]


def test_several_controls_are_judged_from_one_set_of_features(predict: Predict, tmp_path: Path) -> None:
    rows = topic_rows(40)

    features, predictions = predict(rows, *EVERY)

    single, several, tags = predictions
    assert features.shape == (40, 16)
    assert [each.head for each in predictions] == list(EVERY)
    assert single.probabilities.shape == several.probabilities.shape == (40, 3)
    assert tags.probabilities.shape == (tags.texts.units, 7)
    assert [path.name for path in tmp_path.rglob("features.safetensors")] == ["features.safetensors"]
    assert single.is_usable.sum() == sum("intent" in row.targets for row in rows)
    assert several.is_usable.all()


@pytest.mark.parametrize("head", EVERY)
def test_models_agree_with_answers_that_words_tell(predict: Predict, head: str) -> None:
    (found,) = predict(topic_rows(60), head)[1]

    right, wrong = chances(found)
    assert right.mean() > wrong.mean() + 0.15
    assert found.probabilities.dtype == np.float32
    if head != "sigmoid":
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-4)
    assert np.isfinite(found.probabilities).all()


@pytest.mark.parametrize("head", EVERY)
def test_rows_without_an_answer_are_judged_and_never_learned_from(predict: Predict, head: str) -> None:
    name = CONTROLS[head].name
    unknown, blank = {"softmax": ("retired", "cash"), "sigmoid": (("retired",), ())}.get(
        head, ((Span(0, 4, "retired"),), ())
    )
    odd = [
        make_row(900, "card please", None, control=name),
        make_row(901, "card please", unknown, control=name),
        make_row(902, "  ", blank, control=name),
    ]
    rows = [*topic_rows(30), *odd]

    texts = reviewed(rows, head)
    (found,) = predict(rows, head)[1]

    assert texts.is_usable.tolist() == [name in row.targets for row in rows[:30]] + [False] * 3
    folds = texts.grouped_folds(Objective.of(head, texts.labels), folds=5, seed=1)
    assert sorted(row for fold in folds for row in fold.scored.tolist()) == list(range(33))
    assert not {30, 31, 32} & {row for fold in folds for row in fold.train.tolist()}
    assert found.texts.texts == 33
    # A text without a word has the answers' shares, or nothing that could be answered.
    assert found.texts.unit_starts[-1] - found.texts.unit_starts[-2] == (head != "tags")


@pytest.mark.parametrize("head", NEW)
def test_answers_that_are_all_alike_give_their_shares(predict: Predict, head: str) -> None:
    rows = [make_row(n, f"the card number {n}", (), control=CONTROLS[head].name) for n in range(8)]

    (found,) = predict(rows, head)[1]

    assert (found.probabilities == found.probabilities[0]).all()
    expected = [1 / 10] * 3 if head == "sigmoid" else None
    if expected:
        assert found.probabilities[0].tolist() == pytest.approx(expected)
    else:
        assert found.probabilities[0].argmax() == 0


@pytest.mark.parametrize("head", EVERY)
def test_a_second_time_nothing_is_computed(predict: Predict, head: str) -> None:
    rows, told = topic_rows(20), list[Progress]()
    (first,) = predict(rows, head)[1]

    (second,) = predict(rows, head, told=told)[1]

    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert {progress.stage for progress in told} == {"loading"}


@pytest.mark.parametrize("head", EVERY)
def test_lora_judges_every_kind_and_is_trained_anew_for_every_fold(predict: Predict, head: str, tmp_path: Path) -> None:
    rows, told = topic_rows(16), list[Progress]()
    settings = TrainingSettings(**FAST.to_json() | {"method": Method.LORA})

    (found,) = predict(rows, head, settings=settings, told=told)[1]

    (frozen,) = predict(rows, head, cache=tmp_path / "frozen")[1]
    assert audit_settings(is_deep=True, seed=1).method is Method.LORA
    assert found.probabilities.shape == frozen.probabilities.shape
    assert not np.allclose(found.probabilities, frozen.probabilities, atol=1e-3)
    folds = {progress.message.split(",")[0] for progress in told if "loss" in progress.message}
    assert folds == {"fold 1 of 2", "fold 2 of 2"}
    assert told[-1].fraction == pytest.approx(1.0)


def test_texts_of_too_many_words_are_judged_in_blocks(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = topic_rows(40)
    (whole,) = predict(rows, "tags", cache=tmp_path / "whole")[1]
    asked: list[int] = []

    def few(self: Objective, encoded: EncodedRows, rng: np.random.Generator) -> np.ndarray:
        asked.append(len(encoded))
        return np.sort(rng.permutation(len(encoded))[:16])

    monkeypatch.setattr(type(Objective.of("tags", ())), "sample_for_regression", few)
    told: list[Progress] = []
    (found,) = predict(rows, "tags", cache=tmp_path / "blocks", told=told)[1]

    assert asked == [40, 24, 8]
    assert sorted(path.name for path in (tmp_path / "blocks" / "control-0").iterdir()) == [
        "block-1",
        "block-2",
        "block-3",
    ]
    assert found.probabilities.shape == whole.probabilities.shape
    assert (found.probabilities.sum(axis=1) > 0.99).all()
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
