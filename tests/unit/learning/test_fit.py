from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.domain.model import HeadKind, Method
from ml_backend.learning.classification.fit import EpochResult, Observer, Workshop
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.classification.tuned import Step, TunedModel
from ml_backend.learning.objectives.base import objective_for
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.measuring.evaluation import evaluate
from ml_backend.models.bundle.head import Head
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import (
    FAST,
    LINEAR_HEADS,
    NAMES,
    keyword_data,
    tensors_of,
    tiny_encoder,
    topic_data,
    unread_rows,
)

DATA = keyword_data(8, 4)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "bert")


class Bench:
    """A workshop with its rows, and the regression on them."""

    def __init__(self, encoder: TextEncoder, settings: TrainingSettings, head: HeadKind = HeadKind.SOFTMAX) -> None:
        data = DATA if head is HeadKind.SOFTMAX else topic_data(head, 24, 12)
        objective = objective_for(head, NAMES)
        objective.prepare(encoder, data.train)
        self.workshop = Workshop.for_rows(encoder, objective, settings, len(data.train))
        self.train = objective.encode(encoder, data.train)
        self.validation = objective.encode(encoder, data.validation)
        self.features = encoder.vectors(self.train.reading)
        self.regression = self.workshop.regression(self.train, self.features)

    @contextmanager
    def tuned(
        self, observer: Observer, *, validation: EncodedRows | None = None, method: Method = Method.LORA
    ) -> Iterator[tuple[TunedModel, Floats2d | None]]:
        first = self.workshop.first_head(self.train, self.features, self.regression)
        with self.workshop.tuned(method, self.train, first, observer=observer, validation=validation) as fit:
            yield fit


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_the_best_epoch_on_validation_is_the_one_that_is_kept(encoder: TextEncoder, head: HeadKind) -> None:
    results: list[EpochResult] = []
    settings = replace(FAST, epochs=6, adapter_learning_rate=5e-2, head_learning_rate=0.3, patience_epochs=6)
    bench = Bench(encoder, settings, head)
    objective = bench.workshop.objective

    with bench.tuned(Observer(on_epoch=results.append), validation=bench.validation) as (model, logits):
        kept = objective.evaluation(model.logits(bench.validation.reading), bench.validation)
        assert logits is not None
        np.testing.assert_array_equal(logits, model.logits(bench.validation.reading))

    assert [result.epoch for result in results] == [1, 2, 3, 4, 5, 6]
    scores = [objective.score(result.evaluation) for result in results]
    assert len(set(scores)) > 1, "all epochs are equal, so this test shows nothing"
    assert objective.score(kept) == max(scores)


def test_training_ends_when_patience_does(encoder: TextEncoder) -> None:
    results: list[EpochResult] = []
    settings = replace(FAST, epochs=40, adapter_learning_rate=1e-7, head_learning_rate=10.0, patience_epochs=1)
    bench = Bench(encoder, settings)

    with bench.tuned(Observer(on_epoch=results.append), validation=bench.validation):
        pass

    scores = [result.evaluation.macro_f1 for result in results]
    assert len(results) < 40
    assert scores[-1] < max(scores)


def test_without_validation_every_epoch_runs(encoder: TextEncoder) -> None:
    steps: list[Step] = []

    with Bench(encoder, replace(FAST, epochs=3)).tuned(Observer(on_step=steps.append)):
        pass

    assert len(steps) == 9
    assert steps[-1].epoch == 3


@pytest.mark.parametrize(("few_rows_per_class", "starts_as"), [(8, "regression"), (7, "class means")])
def test_the_head_starts_as_the_regression_with_few_rows_and_as_class_means_with_many(
    encoder: TextEncoder, few_rows_per_class: int, starts_as: str
) -> None:
    bench = Bench(encoder, replace(FAST, epochs=1, few_rows_per_class=few_rows_per_class, head_learning_rate=1e-9))

    with bench.tuned(Observer()) as (model, _):
        head = model.head

    if starts_as == "regression":
        np.testing.assert_allclose(head.weight, bench.regression.weight, atol=1e-6)
    else:
        np.testing.assert_allclose(np.linalg.norm(head.weight, axis=1), 20, rtol=1e-4)


@pytest.mark.parametrize("head", [HeadKind.SIGMOID, HeadKind.TAGS])
def test_other_heads_start_as_the_regression_however_many_rows_there_are(encoder: TextEncoder, head: HeadKind) -> None:
    bench = Bench(encoder, replace(FAST, epochs=1, few_rows_per_class=1, head_learning_rate=1e-9), head)

    with bench.tuned(Observer()) as (model, _):
        np.testing.assert_allclose(model.head.weight, bench.regression.weight, atol=1e-6)


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_the_encoder_is_frozen_and_unchanged_after_all_of_it_was_trained(encoder: TextEncoder, head: HeadKind) -> None:
    before = tensors_of(encoder)
    bench = Bench(encoder, replace(FAST, epochs=2, full_learning_rate=1e-2), head)

    with bench.tuned(Observer(), method=Method.FULL):
        within = tensors_of(encoder)

    assert max(np.abs(within[name] - before[name]).max() for name in before) > 1e-3
    assert not any(parameter.requires_grad for parameter in encoder.backbone.module.parameters())
    assert not encoder.backbone.module.training
    after = tensors_of(encoder)
    assert after.keys() == before.keys()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    np.testing.assert_array_equal(encoder.vectors(bench.train.reading), bench.features)


def test_logits_are_judged_by_their_highest_value() -> None:
    encoded = unread_rows(["card", "refund"])
    logits = np.array([[1.0, 0.5, 0.0], [0.0, 3.0, 2.0]], dtype=np.float32)

    found = objective_for(HeadKind.SOFTMAX, NAMES).evaluation(logits, encoded)

    assert found == evaluate(["card", "refund"], ["card", "cash"], NAMES)


def test_logits_of_several_labels_are_judged_by_their_signs() -> None:
    encoded = unread_rows([("card",), (), ("cash", "refund")], HeadKind.SIGMOID)
    logits = np.array([[1.0, 0.5, -1.0], [-3.0, -2.0, -0.1], [-1.0, 4.0, 2.0]], dtype=np.float32)

    found = objective_for(HeadKind.SIGMOID, NAMES).evaluation(logits, encoded)

    answers = [("card", "cash"), (), ("cash", "refund")]
    assert found == evaluate([("card",), (), ("cash", "refund")], answers, NAMES)


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_rows_are_few_up_to_a_mean_per_class(encoder: TextEncoder, head: HeadKind) -> None:
    objective = objective_for(head, NAMES)

    few, many = (Workshop.for_rows(encoder, objective, TrainingSettings(), rows) for rows in (150, 151))

    assert (few.has_few_rows, many.has_few_rows) == (True, False)
    assert few.hyperparameters == objective.hyperparameters(Method.LORA, has_few_rows=True)
    assert many.hyperparameters == objective.hyperparameters(Method.LORA, has_few_rows=False)
    # The adversarial pass is for few rows: it takes as long again.
    assert many.hyperparameters.adversarial_size == 0.0


def test_few_rows_of_a_single_choice_take_the_longer_way(encoder: TextEncoder) -> None:
    objective = objective_for(HeadKind.SOFTMAX, NAMES)

    few, many = (Workshop.for_rows(encoder, objective, TrainingSettings(), rows).hyperparameters for rows in (150, 151))

    assert few.epochs > many.epochs
    assert few.adversarial_size > 0


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_what_is_asked_for_takes_the_place_of_the_recipe(encoder: TextEncoder, head: HeadKind) -> None:
    objective = objective_for(head, NAMES)
    settings = TrainingSettings(epochs=7, adversarial_size=0.0, regression_c=0.5, full_learning_rate=3e-5)

    found = Workshop.for_rows(encoder, objective, settings, 10).hyperparameters

    own = objective.hyperparameters(Method.LORA, has_few_rows=True)
    assert found == replace(own, epochs=7, adversarial_size=0.0, regression_c=0.5, full_learning_rate=3e-5)


def test_a_regression_of_labels_is_one_per_label(encoder: TextEncoder) -> None:
    from sklearn.linear_model import LogisticRegression

    bench = Bench(encoder, FAST, HeadKind.SIGMOID)
    head: Head = bench.regression

    for k in range(3):
        alone = LogisticRegression(C=bench.workshop.hyperparameters.regression_c, max_iter=1000)
        alone.fit(bench.features, bench.train.codes[:, k])
        np.testing.assert_allclose(head.weight[k], alone.coef_[0], atol=1e-3)


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_the_recipe_is_that_of_the_method(encoder: TextEncoder, head: HeadKind) -> None:
    objective = objective_for(head, NAMES)
    by_method = {
        Method.AUTO: objective.hyperparameters(Method.LORA, has_few_rows=True),
        Method.FULL: objective.hyperparameters(Method.FULL, has_few_rows=True),
        Method.REGRESSION: objective.hyperparameters(None, has_few_rows=True),
    }

    for method, hyperparameters in by_method.items():
        assert (
            Workshop.for_rows(encoder, objective, TrainingSettings(method=method), 10).hyperparameters
            == hyperparameters
        )
    if head is HeadKind.TAGS:
        assert by_method[Method.FULL].epochs < by_method[Method.AUTO].epochs
