import numpy as np
import pytest

from ml_backend.quality.annotations import AnswerMatrix
from ml_backend.quality.consensus import crowdlab
from tests.reviewed_rows import separable

NONE = AnswerMatrix.UNANSWERED


def _answers(seed: int, rows: int = 120, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """True classes, and answers of two careful annotators (85% right) and one who answers at random, the second."""
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, rows)

    def careful() -> np.ndarray:
        is_right = random.random(rows) < 0.85
        return np.where(is_right, true, (true + random.integers(1, classes, rows)) % classes)

    return true, np.stack([careful(), random.integers(0, classes, rows), careful()], axis=1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("has_model", [True, False])
def test_an_annotator_who_answers_at_random_comes_last(seed: int, has_model: bool) -> None:
    true, answers = _answers(seed)
    probabilities = separable(true.tolist(), of=6, seed=seed)[0] if has_model else None
    _, _, qualities = crowdlab(answers, probabilities, classes=6)
    quality = [value for value in qualities if value is not None]
    assert len(quality) == 3
    assert quality[1] < min(quality[0], quality[2]) - 0.2


@pytest.mark.parametrize("seed", range(3))
def test_the_consensus_is_right_more_often_than_the_majority(seed: int) -> None:
    true, answers = _answers(seed)
    consensus, confidence, _ = crowdlab(answers, separable(true.tolist(), of=6, seed=seed)[0], classes=6)
    majority = np.array([np.bincount(row, minlength=6).argmax() for row in answers])
    assert (consensus == true).mean() >= 0.95 > (majority == true).mean()
    assert np.isfinite(confidence).all()


def test_annotators_who_share_no_text_have_no_quality() -> None:
    answers = np.array([[0, NONE], [1, NONE], [NONE, 1]])
    consensus, confidence, quality = crowdlab(answers, np.full((3, 2), 0.5), classes=2)
    assert quality == (None, None)
    assert consensus.tolist() == [0, 1, 1]
    assert confidence.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("answers", "sure", "consensus", "has_quality"),
    [
        ([[0, 0, NONE], [1, 1, NONE], [NONE, NONE, 1]], [0.9, 0.1, 0.2], [0, 1, 1], [True, True, False]),
        ([[0, 1], [NONE, NONE]], [0.6, 0.6], [0, NONE], [True, True]),
        ([[0, 0]] * 4, [0.9] * 4, [0] * 4, [True, True]),
    ],
    ids=["an annotator beside those who share texts", "a text that nobody answered", "one class alone"],
)
def test_quality_is_known_of_those_who_share_texts_and_a_consensus_wherever_somebody_answered(
    answers: list[list[int]], sure: list[float], consensus: list[int], has_quality: list[bool]
) -> None:
    probabilities = np.stack([sure, 1 - np.array(sure)], axis=1)
    found, _confidence, quality = crowdlab(np.array(answers), probabilities, classes=2)
    assert found.tolist() == consensus
    assert [value is not None and 0 <= value <= 1 for value in quality] == has_quality


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_no_texts_or_no_annotators_give_no_consensus(shape: tuple[int, int]) -> None:
    consensus, _confidence, quality = crowdlab(np.full(shape, NONE), None, classes=2)
    assert quality == (None,) * shape[1]
    assert consensus.tolist() == [NONE] * shape[0]


def test_ties_are_broken_the_same_way_every_time(capfd: pytest.CaptureFixture[str]) -> None:
    answers = np.tile([[0, 1], [1, 0], [2, 2]], (5, 1))
    results = [crowdlab(answers, None, classes=3)[0].tolist() for _ in range(3)]
    assert results[0] == results[1] == results[2] == [0, 0, 2] * 5
    assert capfd.readouterr() == ("", "")
