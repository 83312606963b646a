import numpy as np
import pytest

from ml_backend.domain.model import HeadKind, Method
from ml_backend.learning.classification.select import choose
from ml_backend.learning.objectives.base import objective_for
from ml_backend.learning.rows.folds import HeldOut
from tests.unit.learning.builders import NAMES, unread_rows

SOFTMAX = objective_for(HeadKind.SOFTMAX, NAMES)


def logits_for(answers: list[int]) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[answers]


@pytest.mark.parametrize("tuned", [Method.LORA, Method.FULL])
@pytest.mark.parametrize(("answers", "is_kept"), [([0, 1, 2, 2], True), ([0, 1, 2, 0], False), ([0, 0, 0, 0], False)])
def test_a_tuned_model_is_kept_only_where_it_is_better(tuned: Method, answers: list[int], is_kept: bool) -> None:
    encoded = unread_rows(["card", "cash", "refund", "refund"])
    held_out = HeldOut(encoded, {Method.REGRESSION: logits_for([0, 1, 2, 0]), tuned: logits_for(answers)})

    choice = choose(held_out, SOFTMAX, where="validation rows")

    assert choice.method is (tuned if is_kept else Method.REGRESSION)
    assert set(choice.evaluations) == {Method.REGRESSION, tuned}


def test_the_reason_names_the_figures_and_the_rows() -> None:
    encoded = unread_rows(["card", "cash"])
    held_out = HeldOut(encoded, {Method.REGRESSION: logits_for([0, 0]), Method.LORA: logits_for([0, 1])})

    reason = choose(held_out, SOFTMAX, where="validation rows").reason

    assert reason == "lora is kept: macro-F1 of regression 0.333, of lora 1.000 on 2 validation rows"


def test_sets_of_labels_are_compared_by_macro_f1() -> None:
    encoded = unread_rows([("card", "cash"), ("card",), ()], HeadKind.SIGMOID)
    right = np.array([[1, 1, -1], [1, -1, -1], [-1, -1, -1]], dtype=np.float32)
    without_cash = np.where([[False, True, False]], -1, right).astype(np.float32)

    choice = choose(
        HeldOut(encoded, {Method.REGRESSION: without_cash, Method.LORA: right}),
        objective_for(HeadKind.SIGMOID, NAMES),
        where="validation rows",
    )

    assert choice.reason == "lora is kept: macro-F1 of regression 0.500, of lora 1.000 on 3 validation rows"
