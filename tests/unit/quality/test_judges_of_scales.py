"""What is said of ratings, numbers and labels inside labels that may be wrong."""

from dataclasses import replace

import numpy as np

from ml_backend.domain.example import Target
from ml_backend.domain.snapshot import Split
from ml_backend.quality.annotations import AnnotatedRow
from ml_backend.quality.judges.base import LabelFindings, LabelJudge
from ml_backend.quality.predictions import OutOfSamplePredictions
from tests.reviewed_rows import control_of, reviewed

LEVELS = ("1", "2", "3", "4", "5")
PATHS = ("a", "a > b", "a > c", "d")


def findings(
    head: str, targets: list[Target], probabilities: np.ndarray, names: tuple[str, ...], codes: np.ndarray | None = None
) -> LabelFindings:
    control = control_of(*names)
    rows = [reviewed(number, f"text {number}", target) for number, target in enumerate(targets)]
    annotated = AnnotatedRow.of(rows, [Split.TRAIN] * len(rows), control)
    judge = LabelJudge.of(head)
    predictions = OutOfSamplePredictions(control, head, probabilities, codes)
    return judge.judge(annotated, predictions, judge.answer_matrix(annotated, names))


def test_a_rating_two_stars_off_is_flagged_and_the_next_star_is_not() -> None:
    targets: list[Target] = [1 + number % 5 for number in range(100)]
    chances = np.full((100, 5), 0.02, dtype=np.float32)
    chances[np.arange(100), [int(str(target)) - 1 for target in targets]] = 0.92
    targets[3], targets[8] = 1, 5  # both look like 4

    found = findings("ordinal", targets, chances, LEVELS)

    assert [(issue.task_id, issue.given, issue.suggested) for issue in found.issues] == [(3, 1, 4)]
    assert found.quality[8] < 0.5


def test_a_number_far_from_what_is_expected_is_flagged() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=200)
    expected = np.stack([numbers + rng.uniform(-0.1, 0.1, size=200), np.zeros(200)], axis=1)
    numbers[7] += 3.0

    found = findings("number", numbers.tolist(), expected, (), numbers[:, None])

    assert [issue.task_id for issue in found.issues] == [7]
    assert min(found.quality, key=lambda task: found.quality[task]) == 7
    assert all(0 < each <= 1 for each in found.quality.values())


def test_no_label_is_suggested_without_its_parent() -> None:
    sets: list[Target] = [("a", "a > b"), ("a", "a > c"), ("d",)]
    targets = [sets[number % 3] for number in range(120)]
    chances = np.array([[0.97 if name in target else 0.03 for name in PATHS] for target in targets], dtype=np.float32)
    targets[2] = ("a", "a > b")  # looks like d
    targets[3] = ("d",)  # looks like a > b, and its parent is not clear
    chances[3, 0] = 0.4

    found = findings("taxonomy", targets, chances, PATHS)

    suggested = {issue.task_id: issue.suggested for issue in found.issues}
    assert suggested[2] == ("d",)
    assert suggested[3] == ("a", "a > b")


def test_what_several_annotators_gave_is_settled_by_the_middle_number() -> None:
    rows = [reviewed(1, "a", None, {"ann": 3, "bob": 4, "cy": 9}), reviewed(2, "b", 5)]
    control = control_of()
    annotated = AnnotatedRow.of([replace(row) for row in rows], [Split.TRAIN] * 2, control)
    judge = LabelJudge.of("number")

    found = judge.consensus(
        judge.answer_matrix(annotated, ()), OutOfSamplePredictions(control, "number", np.zeros((2, 2)))
    )

    assert list(found.targets) == [4, 5]
