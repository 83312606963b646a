from dataclasses import replace

import numpy as np
import pytest

from ml_backend.encoders.embed import TextEncoder
from ml_backend.training.evaluate import classification_metrics
from ml_backend.training.fit import EpochResult, Observer, Workshop, evaluate_logits
from ml_backend.training.lora import Step
from tests.unit.training.builders import FAST, keyword_data, labeled, tiny_encoder

DATA = keyword_data(8, 4)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "bert")


def test_the_best_epoch_on_validation_is_the_one_that_is_kept(encoder: TextEncoder) -> None:
    results: list[EpochResult] = []
    settings = replace(FAST, epochs=6, adapter_learning_rate=5e-2, patience_epochs=6)
    workshop = Workshop(encoder, DATA.labels, settings, len(DATA.train))
    features = encoder.embed(DATA.train.texts)

    with workshop.lora(
        DATA.train,
        features,
        workshop.regression(DATA.train, features),
        observer=Observer(on_epoch=results.append),
        validation=DATA.validation,
    ) as model:
        kept = evaluate_logits(model.logits(DATA.validation.texts), DATA.validation, DATA.labels)

    assert [result.epoch for result in results] == [1, 2, 3, 4, 5, 6]
    scores = [result.evaluation.macro_f1 for result in results]
    assert len(set(scores)) > 1, "all epochs are equal, so this test shows nothing"
    assert kept.macro_f1 == max(scores)


def test_training_ends_when_patience_does(encoder: TextEncoder) -> None:
    results: list[EpochResult] = []
    settings = replace(FAST, epochs=40, adapter_learning_rate=1e-7, head_learning_rate=10.0, patience_epochs=1)
    workshop = Workshop(encoder, DATA.labels, settings, len(DATA.train))
    features = encoder.embed(DATA.train.texts)

    with workshop.lora(
        DATA.train,
        features,
        workshop.regression(DATA.train, features),
        observer=Observer(on_epoch=results.append),
        validation=DATA.validation,
    ):
        pass

    scores = [result.evaluation.macro_f1 for result in results]
    assert len(results) < 40
    assert scores[-1] < max(scores)


def test_without_validation_every_epoch_runs(encoder: TextEncoder) -> None:
    steps: list[Step] = []
    workshop = Workshop(encoder, DATA.labels, replace(FAST, epochs=3), len(DATA.train))
    features = encoder.embed(DATA.train.texts)

    with workshop.lora(
        DATA.train, features, workshop.regression(DATA.train, features), observer=Observer(on_step=steps.append)
    ):
        pass

    assert len(steps) == 9
    assert steps[-1].epoch == 3


@pytest.mark.parametrize(("few_rows_per_class", "starts_as"), [(8, "regression"), (7, "class means")])
def test_the_head_starts_as_the_regression_with_few_rows_and_as_class_means_with_many(
    encoder: TextEncoder, few_rows_per_class: int, starts_as: str
) -> None:
    settings = replace(FAST, epochs=1, few_rows_per_class=few_rows_per_class, head_learning_rate=1e-9)
    workshop = Workshop(encoder, DATA.labels, settings, len(DATA.train))
    features = encoder.embed(DATA.train.texts)
    regression = workshop.regression(DATA.train, features)

    with workshop.lora(DATA.train, features, regression, observer=Observer()) as model:
        head = model.head

    if starts_as == "regression":
        np.testing.assert_allclose(head.weight, regression.weight, atol=1e-6)
    else:
        np.testing.assert_allclose(np.linalg.norm(head.weight, axis=1), 20, rtol=1e-4)


def test_logits_are_judged_by_their_highest_value() -> None:
    rows = labeled(["a", "b"], [0, 2])
    logits = np.array([[1.0, 0.5, 0.0], [0.0, 3.0, 2.0]], dtype=np.float32)

    found = evaluate_logits(logits, rows, DATA.labels)

    assert found == classification_metrics(["card", "refund"], ["card", "cash"], DATA.labels)
