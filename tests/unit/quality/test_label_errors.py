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


def _spoilt(classes: int, per_class: int, wrong: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true classes, labels of which some are wrong, and the probabilities of a good model."""
    true = np.repeat(np.arange(classes), per_class)
    labels = spoilt(true, wrong, of=classes, seed=seed)
    return true, labels, separable(true.tolist(), of=classes, seed=seed)[0]


def _nothing_judged(found: LabelErrors, labels: np.ndarray) -> bool:
    is_plain = not found.is_judged.any() and not found.is_error.any() and (found.quality == 1).all()
    return bool(is_plain and (found.suggested == labels).all() and found.expected_errors == 0)


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


@pytest.mark.parametrize("labels", [[1] * 12, [0, 1], [1, 1], []], ids=["one class alone", "two", "two alike", "none"])
def test_labels_of_one_class_alone_and_two_rows_or_none_are_not_judged(labels: list[int]) -> None:
    given = np.array(labels, dtype=np.int64)
    assert _nothing_judged(label_errors(given, np.tile([0.7, 0.2, 0.1], (len(labels), 1))), given)


def test_classes_that_no_row_has_change_nothing() -> None:
    _, labels, probabilities = _spoilt(3, 20, 6, seed=0)
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
    _, labels, probabilities = _spoilt(4, 15, 6, seed=5)
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
    label_errors(*_spoilt(3, 10, 4, seed=0)[1:])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("chosen", [[True, False], []], ids=["that all rows or no rows have", "none at all"])
def test_choices_that_tell_nothing_are_not_judged(chosen: list[bool]) -> None:
    labels = np.array([chosen] * 8, dtype=np.bool_)
    quality, suggested = multilabel_errors(labels, np.tile([0.1, 0.9][: len(chosen)], (8, 1)))
    assert quality.tolist() == [1.0] * 8
    assert (suggested.shape, (suggested == labels).all()) == (labels.shape, True)


def test_labels_are_trusted_by_their_quality_and_never_not_at_all() -> None:
    true, labels, probabilities = _spoilt(4, 20, 8, seed=2)
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
