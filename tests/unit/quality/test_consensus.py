import numpy as np
import pytest

from ml_backend.quality.annotations import AnswerMatrix
from ml_backend.quality.consensus import crowdlab
from tests.reviewed_rows import separable


def _answers(seed: int, rows: int = 120, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """True classes, and answers of two careful annotators (85% right) and one who answers at random, the second."""
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, rows)

    def careful() -> np.ndarray:
        is_right = random.random(rows) < 0.85
        return np.where(is_right, true, (true + random.integers(1, classes, rows)) % classes)

    return true, np.stack([careful(), random.integers(0, classes, rows), careful()], axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_an_annotator_who_answers_at_random_comes_last(seed: int) -> None:
    true, answers = _answers(seed)
    _, _, qualities = crowdlab(answers, separable(true.tolist(), of=6, seed=seed)[0])
    quality = [value for value in qualities if value is not None]
    assert len(quality) == 3
    assert quality[1] < min(quality[0], quality[2]) - 0.2


@pytest.mark.parametrize("seed", range(3))
def test_the_consensus_is_right_more_often_than_the_majority(seed: int) -> None:
    true, answers = _answers(seed)
    consensus, confidence, _ = crowdlab(answers, separable(true.tolist(), of=6, seed=seed)[0])
    majority = np.array([np.bincount(row, minlength=6).argmax() for row in answers])
    assert (consensus == true).mean() >= 0.95 > (majority == true).mean()
    assert np.isfinite(confidence).all()


def test_annotators_who_share_no_text_have_no_quality() -> None:
    answers = np.array([[0, AnswerMatrix.UNANSWERED], [1, AnswerMatrix.UNANSWERED], [AnswerMatrix.UNANSWERED, 1]])
    consensus, confidence, quality = crowdlab(answers, np.full((3, 2), 0.5))
    assert quality == (None, None)
    assert consensus.tolist() == [0, 1, 1]
    assert confidence.tolist() == [1.0, 1.0, 1.0]


def test_an_annotator_beside_those_who_share_texts_has_no_quality() -> None:
    answers = np.array(
        [
            [0, 0, AnswerMatrix.UNANSWERED],
            [1, 1, AnswerMatrix.UNANSWERED],
            [AnswerMatrix.UNANSWERED, AnswerMatrix.UNANSWERED, 1],
        ]
    )
    _consensus, _confidence, quality = crowdlab(answers, np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]))
    assert quality[0] == quality[1] is not None
    assert quality[2] is None


def test_texts_that_nobody_answered_have_no_consensus() -> None:
    answers = np.array([[0, 1], [AnswerMatrix.UNANSWERED, AnswerMatrix.UNANSWERED]])
    consensus, _confidence, _quality = crowdlab(answers, np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert consensus.tolist() == [0, AnswerMatrix.UNANSWERED]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_no_texts_or_no_annotators_give_no_consensus(shape: tuple[int, int]) -> None:
    consensus, _confidence, quality = crowdlab(np.full(shape, AnswerMatrix.UNANSWERED), np.full((shape[0], 2), 0.5))
    assert quality == (None,) * shape[1]
    assert consensus.tolist() == [AnswerMatrix.UNANSWERED] * shape[0]


def test_annotators_who_give_one_class_alone_get_a_finite_quality() -> None:
    consensus, _confidence, quality = crowdlab(np.zeros((4, 2), np.int64), np.tile([0.9, 0.1], (4, 1)))
    assert all(value is not None and 0 <= value <= 1 for value in quality)
    assert consensus.tolist() == [0] * 4


def test_ties_are_broken_the_same_way_every_time(capfd: pytest.CaptureFixture[str]) -> None:
    answers = np.tile([[0, 1], [1, 0], [2, 2]], (5, 1))
    results = [crowdlab(answers, np.full((15, 3), 1 / 3))[0].tolist() for _ in range(3)]
    assert results[0] == results[1] == results[2] == [0, 0, 2] * 5
    assert capfd.readouterr() == ("", "")
