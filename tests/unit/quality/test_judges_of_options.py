"""What is said of choices among a text's own options, and of rankings of these, that may be wrong."""

from dataclasses import replace

import numpy as np
import pytest

from ml_backend.domain.example import Bucket, Target, parts_of
from ml_backend.domain.snapshot import Split
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.quality.annotations import AnnotatedRow
from ml_backend.quality.judges.base import LabelFindings, LabelJudge
from ml_backend.quality.predictions import OutOfSamplePredictions
from tests.reviewed_rows import control_of, reviewed

OPTIONS = ("x", "y", "z")
ROWS = 60


def findings(head: str, targets: list[Target], chances: np.ndarray, buckets: tuple[str, ...] = ()) -> LabelFindings:
    """Findings on answers, given what a model says of each option of each text, shape (N, 3, columns)."""
    control = replace(control_of(), buckets=buckets)
    rows = [reviewed(number, f"text {number}", target) for number, target in enumerate(targets)]
    annotated = AnnotatedRow.of(rows, [Split.TRAIN] * len(rows), control)
    judge, size = LabelJudge.of(head), 1 + len(OPTIONS)
    starts = np.arange(0, size * len(rows) + 1, size)
    offering = np.tile(np.arange(size), len(rows))
    texts = TokenisedTexts([[0]] * size * len(rows), None, starts, options=offering, names=[OPTIONS] * len(rows))
    flat = chances.reshape(len(rows) * len(OPTIONS), -1).astype(np.float32)
    predictions = OutOfSamplePredictions(control, head, flat, texts=texts)
    return judge.judge(annotated, predictions, judge.answer_matrix(annotated, ()))


def likely(targets: list[Target]) -> np.ndarray:
    """Chances of a model that would give these answers."""
    return np.array([[[0.9 if name in parts_of(target) else 0.1] for name in OPTIONS] for target in targets])


def test_an_option_is_flagged_where_another_one_of_its_text_is_likelier() -> None:
    targets: list[Target] = [OPTIONS[number % 3] for number in range(ROWS)]
    chances = likely(targets)
    targets[4] = "z"

    found = findings("option", targets, chances)

    assert [(issue.task_id, issue.given, issue.suggested) for issue in found.issues] == [(4, "z", "y")]
    assert min(found.quality, key=lambda task: found.quality[task]) == 4


def test_of_several_options_the_one_too_many_and_the_missing_one_are_flagged() -> None:
    targets: list[Target] = [("x", "y") if number % 2 else ("z",) for number in range(ROWS)]
    chances = likely(targets)
    targets[4], targets[7] = ("x", "z"), ("x",)

    found = findings("options", targets, chances)

    assert {issue.task_id: issue.suggested for issue in found.issues} == {4: ("z",), 7: ("x", "y")}


@pytest.mark.parametrize("has_buckets", [False, True])
def test_a_ranking_unlike_what_is_expected_has_the_lowest_quality_and_none_is_flagged(has_buckets: bool) -> None:
    chances = np.tile([[0.9, 0.9, 0.1], [0.5, 0.5, 0.5], [0.1, 0.1, 0.9]], (ROWS, 1, 1))
    right: Target = (Bucket("good", ("x", "y")), Bucket("_", ("z",))) if has_buckets else OPTIONS
    wrong: Target = (Bucket("good", ("z",)), Bucket("_", ("x", "y"))) if has_buckets else OPTIONS[::-1]
    targets = [wrong if number == 4 else right for number in range(ROWS)]

    found = findings("ranking", targets, chances if has_buckets else chances[:, :, :1], ("good", "_"))

    assert list(found.issues) == []
    assert min(found.quality, key=lambda task: found.quality[task]) == 4
    assert found.quality[4] < 0.4
    assert found.quality[0] > 0.6


def test_annotators_agree_on_a_ranking_as_far_as_the_pairs_in_it_do() -> None:
    rows = [reviewed(1, "a", None, {"ann": ("x", "y", "z"), "bob": ("x", "z", "y"), "cy": ("z", "y", "x")})]
    control, judge = control_of(), LabelJudge.of("ranking")
    answers = judge.answer_matrix(AnnotatedRow.of(rows, [Split.TRAIN], control), ())

    found = judge.consensus(answers, OutOfSamplePredictions(control, "ranking", np.zeros((3, 1))))

    agreement = {each.annotator: each.agreement for each in found.annotators("topic")}
    assert agreement == pytest.approx({"ann": 1 / 3, "bob": 1 / 2, "cy": 1 / 6})


def test_rankings_of_one_text_in_other_orders_say_something_else() -> None:
    rows = [reviewed(number, "a", target) for number, target in enumerate([("x", "y"), ("y", "x"), ("x", "y")])]

    first, second, third = AnnotatedRow.of(rows, [Split.TRAIN] * 3, control_of())

    assert first.meaning == third.meaning != second.meaning
