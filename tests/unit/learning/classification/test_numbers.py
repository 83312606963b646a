"""Heads that answer ratings and numbers, on planted scorers."""

import math

import numpy as np
import pytest

from ml_backend.domain.example import Target
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.models.bundle.head import Head
from ml_backend.models.decoders.number import NumberDecoder
from ml_backend.models.text.tokenised import TokenisedTexts
from tests.unit.learning.builders import labeled_as

LEVELS = ("1", "2", "3", "4", "5")
TRAIN, HELD_OUT, NEW = slice(0, 300), slice(300, 600), slice(600, 1000)


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length 1, and a number per vector; half of the numbers are four times as noisy as the others."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(1000, 24)).astype(np.float32)
    vectors[:, 0] = np.where(np.arange(1000) % 2, 3.0, -3.0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    noise = rng.laplace(size=1000) * np.where(vectors[:, 0] > 0, 0.4, 0.1)
    return vectors, 6 * vectors[:, 1] + 3 * vectors[:, 2] + noise


def encoded(objective: Objective, targets: list[Target]) -> EncodedRows:
    texts = TokenisedTexts.whole([[0]] * len(targets))
    return EncodedRows(labeled_as(["a"] * len(targets), targets), texts, objective.codes(targets, texts))


def learned(objective: Objective, vectors: np.ndarray, targets: list[Target]) -> Head:
    rows = labeled_as(["a"] * 300, targets[TRAIN])
    objective.decoder = objective.first_decoder(None, rows)  # type: ignore[arg-type]  # reads no text
    c = objective.hyperparameters(None, 300).regression_c
    return objective.regression(vectors[TRAIN], encoded(objective, targets[TRAIN]), c=c, max_iterations=200)


def test_a_number_comes_with_an_interval_that_holds_the_truth_as_often_as_it_says() -> None:
    vectors, numbers = planted()
    objective = Objective.of("number", ())
    targets: list[Target] = np.round(numbers, 2).tolist()
    head = learned(objective, vectors, targets)

    decoder = objective.calibrated(head.logits(vectors[HELD_OUT]), encoded(objective, targets[HELD_OUT]))
    answers = decoder.answers(head.logits(vectors[NEW]), encoded(objective, targets[NEW]).tokenised)

    evaluation = objective.measure.evaluate(targets[NEW], [answer.target for answer in answers])
    assert objective.measure.score(evaluation) > 0.8
    ends = np.array([[min(answer.scores), max(answer.scores)] for answer in answers])
    is_inside = (ends[:, 0] <= targets[NEW]) & (targets[NEW] <= ends[:, 1])
    assert 0.86 <= is_inside.mean() <= 0.94
    width, is_noisy = ends[:, 1] - ends[:, 0], vectors[NEW][:, 0] > 0
    assert width[is_noisy].mean() > 1.5 * width[~is_noisy].mean()
    assert min(is_inside[is_noisy].mean(), is_inside[~is_noisy].mean()) > 0.8


@pytest.mark.parametrize(("step", "wanted"), [(1.0, 1.0), (0.5, 0.5), (0.25, 0.05), (100.0, 100.0), (30.0, 10.0)])
def test_numbers_are_answered_in_the_steps_in_which_people_give_them(step: float, wanted: float) -> None:
    vectors, numbers = planted()
    objective = Objective.of("number", ())
    targets: list[Target] = (np.round(numbers) * step + 7).tolist()
    head = learned(objective, vectors, targets)

    decoder = objective.calibrated(head.logits(vectors[HELD_OUT]), encoded(objective, targets[HELD_OUT]))

    assert isinstance(decoder, NumberDecoder)
    assert decoder.step == wanted
    rows = encoded(objective, targets[NEW])
    answers = decoder.answers(head.logits(vectors[NEW]), rows.tokenised)
    steps = [(float(str(answer.target)) - min(targets[TRAIN])) / wanted for answer in answers]  # type: ignore[operator]
    assert steps == pytest.approx(np.round(steps).tolist())
    assert all(min(targets[TRAIN]) <= answer.target <= max(targets[TRAIN]) for answer in answers)  # type: ignore[operator]
    reliability = objective.reliability(decoder, head.logits(vectors[NEW]), rows)
    assert abs(reliability.scores.mean() - reliability.is_right.mean()) < 0.08


def test_a_rating_is_the_middle_of_the_chances_and_its_score_the_share_of_exact_hits() -> None:
    vectors, numbers = planted()
    objective = Objective.of("ordinal", LEVELS)
    targets: list[Target] = [int(level) for level in np.clip(np.round(numbers + 3), 1, 5)]
    head = learned(objective, vectors, targets)

    rows = encoded(objective, targets[NEW])
    decoder = objective.calibrated(head.logits(vectors[HELD_OUT]), encoded(objective, targets[HELD_OUT]))
    answers = decoder.answers(head.logits(vectors[NEW]), rows.tokenised)

    given = [answer.target for answer in answers]
    evaluation = objective.measure.evaluate(targets[NEW], given, LEVELS)
    likeliest = [int(max(answer.scores, key=lambda level: answer.scores[level])) for answer in answers]
    assert objective.measure.score(evaluation) > 0.75
    assert np.mean(np.abs(np.subtract(given, targets[NEW]))) <= np.mean(np.abs(np.subtract(likeliest, targets[NEW])))
    reliability = objective.reliability(decoder, head.logits(vectors[NEW]), rows)
    assert reliability.expected_error() < 0.08


@pytest.mark.parametrize("targets", [[3.0, 3.0], [3.0]])
def test_one_number_alone_cannot_be_learned(targets: list[Target]) -> None:
    fault = Objective.of("number", ()).why_unusable(targets)

    assert fault is not None
    assert "have the same number, 3.0" in fault


def test_the_losses_of_tuning_and_of_long_texts_are_one() -> None:
    torch = pytest.importorskip("torch")
    objective = Objective.of("number", ())
    targets: list[Target] = [1.0, 2.0, 5.0, 9.5]
    objective.decoder = objective.first_decoder(None, labeled_as(["a"] * 4, targets))  # type: ignore[arg-type]
    rows = encoded(objective, targets)
    logits = np.array([[0.1, 0.0], [1.0, -0.5], [-2.0, 1.0], [0.3, 0.2]])

    losses, gradient = objective.pooled_loss(rows)(logits)  # type: ignore[attr-defined]

    tensor = torch.tensor(logits, requires_grad=True)
    expected = objective.loss(tensor, torch.from_numpy(rows.codes))
    expected.sum().backward()
    np.testing.assert_allclose(losses, expected.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-5)
    assert all(map(math.isfinite, losses))
