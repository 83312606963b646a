import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.training.out_of_fold import HeldOut
from ml_backend.training.select import choose
from tests.unit.training.builders import labeled

NAMES = ("card", "cash", "refund")


def logits_for(answers: list[int]) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[answers]


@pytest.mark.parametrize(
    ("lora", "kept"),
    [([0, 1, 2, 2], Method.LORA), ([0, 1, 2, 0], Method.REGRESSION), ([0, 0, 0, 0], Method.REGRESSION)],
)
def test_lora_is_kept_only_where_it_is_better(lora: list[int], kept: Method) -> None:
    rows = labeled(["a", "b", "c", "d"], [0, 1, 2, 2])
    held_out = HeldOut(rows, {Method.REGRESSION: logits_for([0, 1, 2, 0]), Method.LORA: logits_for(lora)})

    choice = choose(held_out, NAMES, where="validation rows")

    assert choice.method is kept
    assert set(choice.evaluations) == {Method.REGRESSION, Method.LORA}


def test_the_reason_names_the_figures_and_the_rows() -> None:
    held_out = HeldOut(
        labeled(["a", "b"], [0, 1]), {Method.REGRESSION: logits_for([0, 0]), Method.LORA: logits_for([0, 1])}
    )

    reason = choose(held_out, NAMES, where="validation rows").reason

    assert reason == "lora is kept: macro-F1 of regression 0.333, of LoRA 1.000 on 2 validation rows"
