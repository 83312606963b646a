from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.learning.classification.choice import Choice, is_settled
from ml_backend.learning.classification.cross_validation import HeldOut
from ml_backend.learning.classification.settings import Hyperparameters, TrainingSettings
from ml_backend.learning.classification.trainer import Trainer
from ml_backend.learning.objectives.base import Objective
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import FAST, LINEAR_HEADS, NAMES, linear_data, unread_rows

SOFTMAX = Objective.of("softmax", NAMES)


class Bench:
    """A trainer with its rows, and the regression on them."""

    def __init__(self, encoder: TextEncoder, settings: TrainingSettings, head: str = "softmax") -> None:
        data = linear_data(head)
        self.objective = Objective.of(head, NAMES)
        self.objective.prepare(encoder, data.train)
        self.trainer = Trainer.for_rows(encoder, self.objective, settings, len(data.train))
        self.train = self.objective.encode(encoder, data.train)
        self.validation = self.objective.encode(encoder, data.validation)
        self.features = encoder.vectors(self.train.tokenised)
        self.regression = self.trainer.regression(self.train, self.features)
        self.first_head = self.trainer.first_head(self.train, self.features, self.regression)


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_the_best_epoch_on_validation_is_the_one_that_is_kept(encoder: TextEncoder, head: str) -> None:
    rates = {"adapter_learning_rate": 5e-2, "head_learning_rate": 0.3, "adapter_strength": 1.0}
    settings = replace(FAST, epochs=6, patience_epochs=6, **rates)
    bench = Bench(encoder, settings, head)

    with bench.trainer.tuned(Method.LORA, bench.train, bench.first_head, validation=bench.validation) as (
        model,
        result,
    ):
        logits = model.logits(bench.validation.tokenised)
        np.testing.assert_array_equal(model.logits_of(bench.validation), logits)

    evaluation = bench.objective.evaluation(logits, bench.validation)
    assert [each.epoch for each in result.results] == [1, 2, 3, 4, 5, 6]
    assert len({each.score for each in result.results}) > 1, "all epochs are equal, so this test shows nothing"
    assert result.best is not None
    assert (result.best.score, result.best.metrics) == (bench.objective.measure.score(evaluation), evaluation.summary())


def test_a_share_of_the_adapter_is_kept_and_all_of_the_head(encoder: TextEncoder) -> None:
    def trained(strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        bench = Bench(encoder, replace(FAST, adapter_learning_rate=5e-2, adapter_strength=strength))
        rows = {"encoded": bench.train, "first_head": bench.first_head, "validation": bench.validation}
        with bench.trainer.tuned(Method.LORA, **rows) as (model, _):
            added = [tensor.detach().numpy() for name, tensor in model.parameters() if ".lora_B." in name]
            return np.concatenate(added, axis=None), model.head.weight, model.logits_of(bench.validation)

    (whole, head, logits), (half, same_head, other_logits) = trained(1.0), trained(0.5)

    assert np.abs(whole).max() > 0
    np.testing.assert_array_equal(half, whole / 2)
    np.testing.assert_array_equal(same_head, head)
    assert np.abs(other_logits - logits).max() > 1e-3, "the validation rows are scored as the model is now"


def test_the_head_of_single_choices_starts_as_class_means_and_others_as_the_regression(encoder: TextEncoder) -> None:
    for settings, length in ((FAST, 10), (replace(FAST, head_scale=7.0), 7)):
        means = Bench(encoder, settings).first_head.weight
        np.testing.assert_allclose(np.linalg.norm(means, axis=1), length, rtol=1e-4)
    for head, settings in (("sigmoid", FAST), ("tags", FAST), ("softmax", replace(FAST, head_scale=0.0))):
        other = Bench(encoder, settings, head)
        np.testing.assert_array_equal(other.first_head.weight, other.regression.weight)


def test_few_rows_of_many_classes_start_as_the_regression() -> None:
    def scale(classes: int, rows: int) -> float:
        labels = tuple(f"label {number}" for number in range(classes))
        return Objective.of("softmax", labels).hyperparameters(Method.LORA, rows).head_scale

    assert (scale(30, 1000), scale(31, 1000), scale(31, 5000)) == (10, 0, 20)


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_hyperparameters_follow_the_rows_the_method_and_the_settings(encoder: TextEncoder, head: str) -> None:
    objective = Objective.of(head, NAMES)

    def chosen(rows: int, **settings: Any) -> Hyperparameters:
        return Trainer.for_rows(encoder, objective, TrainingSettings(**settings), rows).hyperparameters

    fewest, few, many = chosen(10), chosen(1000), chosen(5000)
    assert (fewest.epochs, few.epochs) == (10 if head == "softmax" else 20, 5)  # 5 passes of 32 steps each are 160
    assert many.epochs == {"softmax": 2, "sigmoid": 5, "tags": 3}[head]
    # The adversarial pass is for few rows: it takes as long again.
    assert (few.adversarial_size > 0, many.adversarial_size) == (head == "softmax", 0.0)
    assert (few.adapter_strength, many.adapter_strength) == (0.75 if head == "softmax" else 1.0, 1.0)
    asked = {"epochs": 7, "adversarial_size": 0.0, "regression_c": 0.5, "full_learning_rate": 3e-5}
    assert chosen(10, **asked) == replace(fewest, **asked)
    for method, tuned in ((Method.FULL, Method.FULL), (Method.REGRESSION, None)):
        assert chosen(10, method=method) == objective.hyperparameters(tuned, 10)
    if head == "tags":
        assert objective.hyperparameters(Method.FULL, 5000).epochs < many.epochs


@pytest.mark.parametrize(
    ("head", "targets", "logits", "answers"),
    [
        ("softmax", ["card", "refund"], [[1.0, 0.5, 0.0], [0.0, 3.0, 2.0]], ["card", "cash"]),
        (
            "sigmoid",
            [("card",), (), ("cash", "refund")],
            [[1.0, 0.5, -1.0], [-3.0, -2.0, -0.1], [-1.0, 4.0, 2.0]],
            [("card", "cash"), (), ("cash", "refund")],
        ),
    ],
)
def test_logits_are_judged_by_their_highest_value_or_by_their_signs(
    head: str, targets: list, logits: list[list[float]], answers: list
) -> None:
    evaluation = Objective.of(head, NAMES).evaluation(np.array(logits, dtype=np.float32), unread_rows(targets, head))

    assert evaluation == Evaluation.of(targets, answers, NAMES)


def logits_for(answers: list[int]) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[answers]


@pytest.mark.parametrize("tuned", [Method.LORA, Method.FULL])
@pytest.mark.parametrize(
    ("answers", "is_kept"),
    [([0, 1, 2, 2], True), ([0, 1, 2, 0], True), ([0, 1, 0, 2], True), ([0, 0, 0, 0], False)],
    ids=["better", "equal", "hardly worse", "worse"],
)
def test_a_tuned_model_is_kept_unless_it_is_worse(tuned: Method, answers: list[int], is_kept: bool) -> None:
    encoded = unread_rows(["card", "cash", "refund", "refund"] * 5)
    regression = [0, 1, 2, 0] * 4 + [0, 1, 2, 2]
    held_out = HeldOut(encoded, {Method.REGRESSION: logits_for(regression), tuned: logits_for(answers * 5)})

    choice = Choice.of(held_out, SOFTMAX, where="validation rows", seed=1)

    assert choice.method is (tuned if is_kept else Method.REGRESSION)
    assert set(choice.evaluations) == {Method.REGRESSION, tuned}
    is_behind = choice.evaluations[tuned].macro_f1 < choice.evaluations[Method.REGRESSION].macro_f1
    assert choice.reason.endswith(", too few to say that the regression is better") == (is_kept and is_behind)


def test_a_lead_of_the_regression_is_settled_by_as_many_rows_as_the_difference_needs_one_of_lora_at_once() -> None:
    better, worse = [1] + [0] * 8 + [1], [0] * 7 + [1] * 3

    def is_clear(rows: int, confidence: float, regression: list[int], lora: list[int]) -> bool:
        """Whether being right in 8 of 10 rows settles that a method is better than one right in 7 of them."""
        answers = {Method.REGRESSION: regression, Method.LORA: lora}
        held_out = HeldOut(
            unread_rows(["card"] * rows),
            {method: logits_for(each * (rows // 10)) for method, each in answers.items()},
        )
        return is_settled(held_out, SOFTMAX, confidence=confidence, seed=1)

    assert not is_clear(20, 0.9, better, worse)
    assert is_clear(20, 0.1, better, worse)
    assert is_clear(2000, 0.9, better, worse)
    assert is_clear(20, 0.9, worse, better)


def test_the_reason_names_the_figures_and_the_rows() -> None:
    single = HeldOut(
        unread_rows(["card", "cash"]), {Method.REGRESSION: logits_for([0, 0]), Method.LORA: logits_for([0, 1])}
    )
    right = np.array([[1, 1, -1], [1, -1, -1], [-1, -1, -1]], dtype=np.float32)
    without_cash = np.where([[False, True, False]], -1, right).astype(np.float32)
    several = HeldOut(
        unread_rows([("card", "cash"), ("card",), ()], "sigmoid"),
        {Method.REGRESSION: without_cash, Method.LORA: right},
    )

    reasons = [
        Choice.of(single, SOFTMAX, where="validation rows", seed=1).reason,
        Choice.of(several, Objective.of("sigmoid", NAMES), where="validation rows", seed=1).reason,
    ]

    assert reasons == [
        "lora is kept: macro-F1 of regression 0.333, of lora 1.000 on 2 validation rows",
        "lora is kept: macro-F1 of regression 0.500, of lora 1.000 on 3 validation rows",
    ]
