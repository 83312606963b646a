"""Votes of several sources made one answer."""

import numpy as np
import pytest

from ml_backend.domain.source import AnswerForm
from ml_backend.measuring.calibration import Reliability
from ml_backend.measuring.label_model import CombinedAnswer, combined, precisions
from ml_backend.measuring.votes import Votes

CLASSES = 4
UNIFORM = np.full(CLASSES, 1 / CLASSES)


def votes_of(*votes: tuple[int, ...]) -> Votes:
    return Votes.of(np.array([(*vote, 0, 0)[:5] for vote in votes], dtype=np.int64).reshape(-1, 5))


def answer(votes: Votes, trust: list[float], form: AnswerForm, chances: np.ndarray = UNIFORM) -> CombinedAnswer:
    (found,) = combined(votes, np.array(trust), chances, form)
    return found


def test_one_vote_is_as_likely_right_as_its_source() -> None:
    found = answer(votes_of((7, 0, 2)), [0.8], AnswerForm.ONE)
    assert (found.row, found.parts, found.sources) == (7, ((2, 0, 0),), (0,))
    assert found.confidence == pytest.approx(0.8)


def test_agreement_and_dispute_follow_bayes() -> None:
    agreeing = answer(votes_of((0, 0, 2), (0, 1, 2)), [0.8, 0.6], AnswerForm.ONE)
    right, wrong = 0.8 * 0.6 / CLASSES, 3 * (0.2 / 3) * (0.4 / 3) / CLASSES
    assert agreeing.confidence == pytest.approx(right / (right + wrong))
    disputed = answer(votes_of((0, 0, 2), (0, 1, 1)), [0.8, 0.6], AnswerForm.ONE)
    first, second, neither = 0.8 * 0.4 / 3, 0.2 / 3 * 0.6, 2 * (0.2 / 3) * (0.4 / 3)
    assert disputed.parts == ((2, 0, 0),)
    assert disputed.confidence == pytest.approx(first / (first + second + neither))
    assert disputed.sources == (0,)


def test_a_vote_for_a_rare_class_says_more() -> None:
    chances = np.array([0.9, 0.02, 0.04, 0.04])
    one = answer(votes_of((0, 0, 1), (0, 1, 0)), [0.8, 0.8], AnswerForm.ONE, chances)
    even = answer(votes_of((0, 0, 1), (0, 1, 0)), [0.8, 0.8], AnswerForm.ONE)
    assert (one.parts[0][0], even.parts[0][0]) == (1, 0)


def test_several_labels_are_decided_one_by_one_and_distrusted_ones_left_out() -> None:
    found = answer(votes_of((0, 0, 1), (0, 1, 3), (0, 2, 0)), [0.9, 0.8, 0.2], AnswerForm.SEVERAL, np.full(4, 0.5))
    assert (found.parts, found.sources) == (((1, 0, 0), (3, 0, 0)), (0, 1))
    assert found.confidence == pytest.approx(0.9 * 0.8 * 0.8)


def test_of_overlapping_pieces_the_one_with_the_most_votes_stays_and_of_equals_the_longest() -> None:
    votes = votes_of((0, 0, 1, 2, 8), (0, 1, 1, 2, 8), (0, 2, 1, 0, 8), (0, 3, 2, 2, 9), (0, 0, 3, 20, 24))
    found = answer(votes, [0.8, 0.8, 0.8, 0.7], AnswerForm.SPANS)
    assert found.parts == ((1, 2, 8), (3, 20, 24))
    assert found.sources == (0, 1, 2)
    alone = answer(votes_of((0, 0, 1, 2, 8), (0, 1, 1, 0, 8)), [0.8, 0.8], AnswerForm.SPANS)
    assert (alone.parts, alone.confidence) == (((1, 0, 8),), pytest.approx(0.5))


def test_precision_is_measured_where_people_labeled_and_drawn_towards_that_of_all() -> None:
    votes = votes_of(*((row, row % 2, 0) for row in range(200)), (300, 2, 0))
    verdicts = np.array([row % 2 == 0 for row in range(200)] + [-1]).astype(np.int64)
    verdicts[-1] = -1
    found = precisions(votes, verdicts, sources=4)
    assert found[0] > 0.95
    assert found[1] < 0.05
    assert found[2] == found[3] == pytest.approx(0.5, abs=0.05)
    assert precisions(votes_of(), np.zeros(0, dtype=np.int64), sources=1) == pytest.approx(0.75)


def test_agreement_tells_good_sources_from_bad_ones_without_a_label_and_confidences_stay_calibrated() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(CLASSES, size=6000)
    true_precision = np.array([0.95, 0.9, 0.85, 0.6, 0.4])
    cast = []
    for row, label in enumerate(truth):
        for source, precision in enumerate(true_precision):
            if rng.random() < 0.5:
                is_right = rng.random() < precision
                cast.append((row, source, label if is_right else (label + rng.integers(1, CLASSES)) % CLASSES))
    votes = votes_of(*cast)
    unknown = np.full(len(votes), -1)
    trust = precisions(votes, unknown, sources=5, classes=CLASSES)
    assert np.abs(trust - true_precision).max() < 0.08
    by_agreement, by_majority = (
        combined(votes, each, UNIFORM, AnswerForm.ONE) for each in (trust, precisions(votes, unknown, sources=5))
    )
    right = [
        np.array([found.parts[0][0] == truth[found.row] for found in each]) for each in (by_agreement, by_majority)
    ]
    assert right[0].mean() > right[1].mean() + 0.02
    scores = np.array([found.confidence for found in by_agreement])
    assert Reliability(scores, scores, right[0]).expected_error() < 0.03


def test_what_people_labeled_weighs_more_than_agreement() -> None:
    # Two sources agree with each other, and people say that both are wrong.
    votes = votes_of(*((row, source, 0) for row in range(60) for source in (0, 1)))
    verdicts = np.where(votes.row < 30, 0, -1)
    assert precisions(votes, verdicts, sources=2, classes=CLASSES).max() < 0.35
