import numpy as np
import pytest

from ml_backend.errors import ConfigurationError
from ml_backend.quality.judges.base import LabelJudge
from ml_backend.quality.judges.sigmoid import multilabel_errors
from ml_backend.quality.label_errors import LabelErrors, label_errors
from ml_backend.quality.predictions import OutOfSamplePredictions
from tests.reviewed_rows import control_of, separable, spoilt


def _trust(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """How far labels are believed; -1 where there is none."""
    control = control_of(*map(str, range(probabilities.shape[1])))
    found = OutOfSamplePredictions(control, "softmax", probabilities, labels, None, labels >= 0)
    return LabelJudge.of("softmax").label_trust(found)


def _nothing_judged(found: LabelErrors, labels: np.ndarray) -> bool:
    is_plain = not found.is_judged.any() and not found.is_error.any() and (found.quality == 1).all()
    return bool(is_plain and (found.suggested == labels).all() and found.expected_errors == 0)


def test_labels_that_were_made_wrong_are_flagged_with_the_right_one_suggested() -> None:
    true = np.repeat(np.arange(5), 40)
    labels = spoilt(true, 20, of=5, seed=3)
    probabilities, _ = separable(true.tolist(), of=5, seed=1)
    found = label_errors(labels, probabilities)
    wrong = labels != true
    assert found.is_judged.all()
    assert (found.is_error & wrong).sum() >= 16
    assert (found.is_error & ~wrong).sum() <= 3
    hits = found.is_error & wrong
    assert (found.suggested[hits] == true[hits]).mean() >= 0.9
    assert (found.suggested != labels).all()
    assert found.quality[wrong].mean() < 0.2
    assert found.quality[~wrong].mean() > 0.9


def test_a_habit_of_taking_one_class_for_another_makes_its_labels_more_suspect() -> None:
    true = np.repeat([0, 1, 2], 40)
    torn = np.array([0.5, 0.5, 0.0])
    probabilities = np.concatenate([np.eye(3)[true] * 0.9 + 0.1 / 3, [torn, torn[[2, 0, 1]]]])
    habit = true.copy()
    habit[:15] = 1
    # The last two rows are equally torn; only between the classes of the first is there a habit.
    found = label_errors(np.append(habit, [1, 2]), probabilities)
    assert found.quality[-2] < found.quality[-1] - 0.1


def test_nothing_is_flagged_where_the_model_agrees_with_every_label() -> None:
    labels = np.repeat([0, 1, 2], 10)
    found = label_errors(labels, np.eye(3)[labels] * 0.94 + 0.02)
    assert not found.is_error.any()
    assert found.expected_errors == 0
    assert (found.quality > 0.9).all()


def test_labels_of_one_class_alone_are_not_judged() -> None:
    labels = np.full(12, 1)
    assert _nothing_judged(label_errors(labels, np.tile([0.7, 0.2, 0.1], (12, 1))), labels)


@pytest.mark.parametrize("labels", [[0, 1], [1, 1], []])
def test_two_rows_or_none_are_not_judged(labels: list[int]) -> None:
    given = np.array(labels, dtype=np.int64)
    assert _nothing_judged(label_errors(given, np.full((len(labels), 2), 0.5)), given)


def test_the_row_of_a_class_with_one_row_is_not_judged_and_the_others_are() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2])
    probabilities = np.eye(3)[labels] * 0.9 + 0.1 / 3
    probabilities[-1] = [1.0, 0.0, 0.0]
    found = label_errors(labels, probabilities)
    assert found.is_judged.tolist() == [True] * 20 + [False]
    assert not found.is_error[-1]
    assert found.suggested[-1] == 2
    assert not (found.suggested == 2)[:-1].any()


def test_classes_that_no_row_has_change_nothing() -> None:
    true = np.repeat([0, 1, 2], 20)
    labels = spoilt(true, 6, of=3, seed=0)
    probabilities, _ = separable(true.tolist(), of=3, seed=2)
    wide = np.insert(probabilities, [0, 2, 2, 3], 0.0, axis=1)
    place = np.array([1, 2, 5])
    narrow, found = label_errors(labels, probabilities), label_errors(place[labels], wide)
    assert found.is_error.tolist() == narrow.is_error.tolist()
    assert found.suggested.tolist() == place[narrow.suggested].tolist()
    assert found.quality == pytest.approx(narrow.quality)


def test_rows_that_the_model_gives_no_class_with_rows_stay_finite() -> None:
    labels = np.repeat([0, 1], 5)
    probabilities = np.zeros((10, 3))
    probabilities[:, 2] = 1.0
    found = label_errors(labels, probabilities)
    assert np.isfinite(found.quality).all()
    assert not found.is_error.any()


def test_the_same_rows_in_another_order_have_the_same_quality() -> None:
    true = np.repeat(np.arange(4), 15)
    labels = spoilt(true, 6, of=4, seed=5)
    probabilities, _ = separable(true.tolist(), of=4, seed=5)
    order = np.random.default_rng(0).permutation(60)
    assert label_errors(labels[order], probabilities[order]).quality == pytest.approx(
        label_errors(labels, probabilities).quality[order]
    )


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], np.full((3, 2), 0.5), r"shape \(2,\) and probabilities of shape \(3, 2\)"),
        ([0, 2], np.full((2, 2), 0.5), "labels from 0 to 2 found; wanted classes from 0 to 1"),
        ([0, 1], np.array([[0.5, np.nan], [0.5, 0.5]]), "not finite found"),
        ([0, 1], np.array([[-0.5, 1.5], [0.5, 0.5]]), "negative"),
        ([[0], [1]], np.full((2, 2), 0.5), "wanted a label per row"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(
    labels: list[int], probabilities: np.ndarray, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        label_errors(np.array(labels, dtype=np.int64), probabilities)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    true = np.repeat(np.arange(3), 10)
    label_errors(spoilt(true, 4, of=3, seed=0), separable(true.tolist(), of=3, seed=0)[0])
    assert capfd.readouterr() == ("", "")


def test_a_choice_that_is_likely_wrong_is_turned_around_in_the_suggested_answer() -> None:
    random = np.random.default_rng(0)
    true = random.random((200, 3)) < [0.5, 0.3, 0.4]
    labels = true.copy()
    labels[:8, 0] ^= True
    labels[8:14, 2] ^= True
    probabilities = np.clip(true * 0.9 + 0.05 + random.normal(scale=0.03, size=true.shape), 0.01, 0.99)
    quality, suggested = multilabel_errors(labels, probabilities)
    turned = (suggested != labels).any(axis=1)
    assert turned[:14].sum() >= 10
    assert not turned[14:].any()
    assert (suggested[turned] == true[turned]).all()
    assert quality[:14].max() < quality[14:].min()


def test_choices_that_all_rows_or_no_rows_have_are_not_judged() -> None:
    labels = np.array([[True, False]] * 8)
    quality, suggested = multilabel_errors(labels, np.tile([0.1, 0.9], (8, 1)))
    assert quality.tolist() == [1.0] * 8
    assert (suggested == labels).all()


def test_answers_to_no_choices_at_all_are_all_right() -> None:
    quality, suggested = multilabel_errors(np.zeros((3, 0), np.bool_), np.zeros((3, 0)))
    assert quality.tolist() == [1.0] * 3
    assert suggested.shape == (3, 0)


def test_labels_are_trusted_by_their_quality_and_never_not_at_all() -> None:
    true = np.repeat(np.arange(4), 20)
    labels = spoilt(true, 8, of=4, seed=2)
    probabilities, _ = separable(true.tolist(), of=4, seed=2)
    weights = _trust(labels, probabilities)
    assert weights == pytest.approx(np.maximum(label_errors(labels, probabilities).quality, 1e-3))
    assert weights.min() >= 1e-3
    assert weights[labels != true].mean() < 0.3
    assert weights[labels == true].mean() > 0.9


def test_rows_without_a_label_leave_the_trust_in_the_others_alone() -> None:
    true = np.repeat(np.arange(3), 10)
    labels = spoilt(true, 3, of=3, seed=4)
    probabilities, _ = separable([*true.tolist(), 0, 1], of=3, seed=4)
    weights = _trust(np.append(labels, [-1, -1]), probabilities)
    assert weights[:-2] == pytest.approx(_trust(labels, probabilities[:-2]))
    assert weights[-2:].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("labels", [[], [-1, -1], [0, -1], [1, 1, 1, 1]])
def test_labels_that_cannot_be_judged_are_trusted(labels: list[int]) -> None:
    weights = _trust(np.array(labels, dtype=np.int64), np.full((len(labels), 2), 0.5))
    assert weights.tolist() == [1.0] * len(labels)
