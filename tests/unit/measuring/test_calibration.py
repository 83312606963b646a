from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.example import Span
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.measuring.calibration import Reliability, fit_logistic, fit_temperature
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.decoders.sigmoid import SigmoidDecoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.decoders.tags import TagsDecoder
from ml_backend.models.text.confidence import Logistic, log_odds
from ml_backend.models.text.pooling import Pooling
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import NAMES, encoder_of, labeled_as, topic_data, unread_rows

RNG = np.random.default_rng(0)
CLASSES = ("a", "b", "c", "d")


def draw(temperature: float, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too sure by a factor, with classes drawn from what they should say."""
    honest = RNG.normal(scale=2.0, size=(rows, 4))
    indices = (honest + RNG.gumbel(size=honest.shape)).argmax(axis=1)
    return (honest * temperature).astype(np.float32), indices


def single_choices(indices: np.ndarray) -> EncodedRows:
    return unread_rows([CLASSES[k] for k in indices], labels=CLASSES)


def calibrated(logits: np.ndarray, indices: np.ndarray) -> tuple[SoftmaxDecoder, Reliability]:
    objective, encoded = Objective.of("softmax", CLASSES), single_choices(indices)
    decoder = objective.calibrated(logits, encoded)
    assert isinstance(decoder, SoftmaxDecoder)
    return decoder, objective.reliability(decoder, logits, encoded)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    logits, indices = draw(temperature)

    assert fit_temperature(logits, indices) == pytest.approx(temperature, rel=0.1)


def test_the_calibrated_confidence_is_the_accuracy() -> None:
    logits, indices = draw(4.0)

    _, reliability = calibrated(logits, indices)

    assert replace(reliability, scores=reliability.raw).expected_error() > 0.1
    assert reliability.expected_error() < 0.03
    assert reliability.warnings() == []


def test_the_error_of_a_known_case() -> None:
    scores = np.array([0.9] * 10 + [0.7] * 10)
    is_right = np.array([True] * 8 + [False] * 2 + [True] * 7 + [False] * 3)

    assert Reliability(scores, scores, is_right).expected_error() == pytest.approx(0.05, abs=1e-6)


def test_bins_hold_equally_many_rows_and_intervals_around_the_share_of_right_ones() -> None:
    scores = np.sort(RNG.random(1000) ** 3)
    is_right = RNG.random(1000) < scores

    bins = Reliability(scores, scores, is_right).calibration()["bins"]

    assert [each["rows"] for each in bins] == [100] * 10
    assert sum(each["low"] <= each["confidence"] <= each["high"] for each in bins) >= 8
    assert all(each["low"] <= each["accuracy"] <= each["high"] for each in bins)
    assert [each["confidence"] for each in bins] == pytest.approx(scores.reshape(10, 100).mean(axis=1))


def test_a_model_that_is_always_right_gets_a_bounded_temperature() -> None:
    indices = np.arange(40) % 4

    assert fit_temperature(np.eye(4, dtype=np.float32)[indices], indices) == pytest.approx(0.05, rel=0.01)


def test_few_rows_leave_the_scores_as_they_are_and_say_so() -> None:
    logits, indices = draw(4.0, rows=29)

    decoder, reliability = calibrated(logits, indices)

    assert decoder.temperature == 1.0
    np.testing.assert_allclose(reliability.scores, reliability.raw)
    (warning,) = reliability.warnings()
    assert warning.startswith("29 held-out rows calibrate the confidence scores, 30 are wanted")


def test_quantiles_are_those_of_the_calibrated_confidence() -> None:
    logits, indices = draw(2.0)
    decoder, reliability = calibrated(logits, indices)

    quantiles = reliability.score_quantiles()

    scaled = np.exp(logits / decoder.temperature)
    scores = (scaled / scaled.sum(axis=1, keepdims=True)).max(axis=1)
    assert len(quantiles) == 101
    assert quantiles[50] == pytest.approx(np.median(scores), abs=1e-5)
    assert (quantiles[0], quantiles[100]) == pytest.approx((scores.min(), scores.max()), abs=1e-5)


def test_without_rows_the_scores_are_spread_evenly() -> None:
    _, reliability = calibrated(np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.int64))

    assert reliability.score_quantiles() == pytest.approx([i / 100 for i in range(101)])
    assert reliability.expected_error() == 0.0


@pytest.mark.parametrize(("slope", "offset"), [(0.5, -1.0), (1.0, 0.0), (3.0, 0.7)])
def test_the_logistic_map_that_was_put_in_is_found(slope: float, offset: float) -> None:
    odds = RNG.normal(scale=1.5, size=20_000)
    is_right = RNG.random(20_000) < 1 / (1 + np.exp(-(slope * odds + offset)))

    found = fit_logistic(odds, is_right)

    assert (found.slope, found.offset) == pytest.approx((slope, offset), abs=0.1)


@pytest.mark.parametrize("right", [0, 50])
def test_answers_of_one_kind_alone_leave_the_odds_unchanged(right: int) -> None:
    odds = RNG.normal(size=50)

    assert fit_logistic(odds, np.arange(50) < right) == Logistic()


def test_a_map_never_turns_confidence_round() -> None:
    odds = np.linspace(-3, 3, 100)

    assert fit_logistic(odds, odds < 0).slope == pytest.approx(0.0, abs=1e-6)


def test_separated_answers_and_infinite_odds_give_a_finite_map() -> None:
    odds = np.array([-np.inf] * 5 + [np.inf] * 5)

    found = fit_logistic(odds, odds > 0)

    assert np.isfinite([found.slope, found.offset]).all()
    few = found.of_log_odds(np.array([-50.0, 50.0]))
    assert few[0] < 0.2
    assert few[1] > 0.8


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20).map(sorted), st.floats(0, 20), st.floats(-30, 30))
def test_a_logistic_map_keeps_the_order_and_gives_probabilities(
    probabilities: list[float], slope: float, offset: float
) -> None:
    found = Logistic(slope, offset).of(np.array(probabilities))

    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


@given(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=20))
def test_the_map_of_slope_1_changes_nothing(probabilities: list[float]) -> None:
    np.testing.assert_allclose(Logistic().of(np.array(probabilities)), probabilities, rtol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds(np.array(probabilities)))), probabilities, rtol=1e-6)


def calibrated_sets(logits: np.ndarray, encoded: EncodedRows) -> SigmoidDecoder:
    decoder = Objective.of("sigmoid", NAMES).calibrated(logits, encoded)
    assert isinstance(decoder, SigmoidDecoder)
    return decoder


def sets(rows: int, *, sharpness: float, seed: int = 1) -> tuple[np.ndarray, EncodedRows]:
    """Logits of three labels, too sure by a factor, with sets of labels drawn from what they should say."""
    random = np.random.default_rng(seed)
    honest = random.normal(loc=-1.0, scale=2.0, size=(rows, 3))
    chosen = random.random((rows, 3)) < 1 / (1 + np.exp(-honest))
    targets = [tuple(name for name, is_chosen in zip(NAMES, row, strict=True) if is_chosen) for row in chosen]
    return (honest * sharpness).astype(np.float32), unread_rows(targets, "sigmoid")


@pytest.mark.parametrize("sharpness", [0.25, 4.0])
def test_confidences_in_labels_and_in_whole_sets_are_calibrated(sharpness: float) -> None:
    decoder = calibrated_sets(*sets(4000, sharpness=sharpness))

    logits, fresh = sets(4000, sharpness=sharpness, seed=2)
    assert decoder.slope == pytest.approx(1 / sharpness, rel=0.1)
    confidence, chosen = decoder.probabilities(logits), fresh.codes.astype(bool)
    assert Reliability(confidence.ravel(), confidence.ravel(), chosen.ravel()).expected_error() < 0.02
    reliability = Objective.of("sigmoid", NAMES).reliability(decoder, logits, fresh)
    assert reliability.expected_error() < 0.05
    answers = decoder.answers(logits, fresh.tokenised)
    right = [answer.target == target for answer, target in zip(answers, fresh.rows.targets, strict=True)]
    assert reliability.is_right.tolist() == right
    assert reliability.scores.tolist() == [answer.score for answer in answers]


def test_thresholds_of_frequent_labels_are_where_their_f1_is_highest() -> None:
    logits, encoded = sets(4000, sharpness=1.0)

    decoder = calibrated_sets(logits, encoded)

    confidence, chosen = decoder.probabilities(logits), encoded.codes.astype(bool)
    for k, threshold in enumerate(decoder.thresholds):
        f1 = {t: f1_of(confidence[:, k] >= t, chosen[:, k]) for t in (threshold, *np.linspace(0.05, 0.95, 91))}
        assert f1[threshold] > max(f1.values()) - 0.005
        # Missing a label costs as much as naming a wrong one: F1 is highest below even odds.
        assert 0.2 < threshold < 0.5


def test_the_threshold_of_a_rare_label_is_drawn_to_that_of_all() -> None:
    logits, encoded = sets(400, sharpness=1.0)
    rare = [tuple(name for name in target if name != "refund") for target in encoded.rows.targets]
    rare[0] = (*rare[0], "refund")
    logits[0, 2] = 9.0

    decoder = calibrated_sets(logits, unread_rows(rare, "sigmoid"))

    frequent, alone = decoder.thresholds[0], decoder.thresholds[2]
    # By itself it would be near 1, between its only row and all others.
    assert alone < frequent + 0.25


def test_few_rows_leave_sets_uncalibrated() -> None:
    assert calibrated_sets(*sets(29, sharpness=3.0)) == SigmoidDecoder(labels=NAMES, pooling=Pooling.MEAN)


def f1_of(named: np.ndarray, true: np.ndarray) -> float:
    return 2 * (named & true).sum() / (named.sum() + true.sum())


@pytest.fixture(scope="module")
def encoder(base: str) -> TextEncoder:
    return encoder_of(base)


def tagged(
    encoder: TextEncoder, rows: int, *, noise: float, shy: float = 0.0
) -> tuple[object, np.ndarray, EncodedRows]:
    """Noisy logits of the right tags, with O too likely by some."""
    data = topic_data("tags", rows)
    objective = Objective.of("tags", NAMES)
    objective.prepare(encoder, data.train)
    encoded = objective.encode(encoder, data.train)
    random = np.random.default_rng(3)
    logits = 3.0 * np.eye(7)[encoded.codes] + random.normal(scale=noise, size=(encoded.tokenised.units, 7))
    logits[:, 0] += shy
    return objective, logits.astype(np.float32), encoded


def test_a_tagger_that_is_too_shy_gets_a_bias_that_finds_more(encoder: TextEncoder) -> None:
    objective, logits, encoded = tagged(encoder, 200, noise=1.0, shy=2.0)

    decoder = objective.calibrated(logits, encoded)

    assert isinstance(decoder, TagsDecoder)
    assert decoder.entity_bias > 0.5
    before, after = (
        Evaluation.of(encoded.rows.targets, [answer.target for answer in each.answers(logits, encoded.tokenised)])
        for each in (objective.decoder, decoder)
    )
    assert after.recall > before.recall + 0.1
    assert after.micro_f1 > before.micro_f1


def test_confidences_in_spans_and_in_whole_texts_are_calibrated(encoder: TextEncoder) -> None:
    objective, logits, encoded = tagged(encoder, 400, noise=1.5)

    decoder = objective.calibrated(logits, encoded)

    answers = decoder.answers(logits, encoded.tokenised)
    truth = encoded.rows.targets
    of_spans = [
        (answer.scores[span], span in set(target))
        for answer, target in zip(answers, truth, strict=True)
        for span in answer.target
    ]
    scores, is_right = (np.array(column) for column in zip(*of_spans, strict=True))
    assert 0.3 < is_right.mean() < 0.98, "nearly all alike, so this test shows little"
    assert Reliability(scores, scores, is_right).expected_error() < 0.08
    reliability = objective.reliability(decoder, logits, encoded)
    before = replace(reliability, scores=reliability.raw).expected_error()
    assert reliability.expected_error() < before / 3
    assert reliability.scores.mean() == pytest.approx(reliability.is_right.mean(), abs=0.01)
    exact = [answer.target == target for answer, target in zip(answers, truth, strict=True)]
    assert reliability.is_right.tolist() == exact
    assert reliability.scores.tolist() == [answer.score for answer in answers]


def test_few_spans_set_no_bias_and_few_rows_nothing(encoder: TextEncoder) -> None:
    objective, logits, encoded = tagged(encoder, 29, noise=1.0, shy=2.0)
    assert objective.calibrated(logits, encoded) == objective.decoder

    rows = labeled_as(["my card"] * 5 + ["please"] * 35, [(Span(3, 7, "card"),)] * 5 + [()] * 35)
    sparse = objective.encode(encoder, rows)
    random = np.random.default_rng(0).normal(size=(sparse.tokenised.units, 7)).astype(np.float32)
    found = objective.calibrated(random, sparse)

    assert found.to_json()["entity_bias"] == 0.0
    assert found.to_json()["temperature"] != 1.0
