import pytest

from ml_backend.domain.model import Method
from ml_backend.errors import ConfigurationError
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.generation.settings import GenerationSettings, TuningMethod
from ml_backend.learning.overrides import settings_from


def test_without_overrides_there_are_the_defaults() -> None:
    assert settings_from(Method.AUTO, 1, {}) == (TrainingSettings(), GenerationSettings())


def test_what_both_have_goes_for_both_and_the_rest_for_one() -> None:
    reading, writing = settings_from(
        Method.LORA, 7, {"epochs": "2", "folds": "3", "max_new_tokens": "9", "train_embeddings": "yes"}
    )

    assert (reading.method, reading.seed, reading.epochs, reading.folds) == (Method.LORA, 7, 2, 3)
    assert (writing.method, writing.seed, writing.epochs) == (TuningMethod.LORA, 7, 2)
    assert (writing.max_new_tokens, writing.train_embeddings) == (9, True)


@pytest.mark.parametrize(
    ("method", "expected"),
    [(Method.AUTO, "lora"), (Method.REGRESSION, "lora"), (Method.QLORA, "qlora"), (Method.FULL, "full")],
)
def test_the_method_of_a_model_that_writes(method: Method, expected: str) -> None:
    assert settings_from(method, 1, {})[1].method == expected


def test_epochs_may_be_left_to_the_rows() -> None:
    reading, writing = settings_from(Method.AUTO, 1, {"epochs": "auto"})

    assert (reading.epochs, writing.epochs) == (None, GenerationSettings().epochs)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epoch": "3"}, "unknown training setting epoch; the known ones are .*learning_rate"),
        ({"max_new_tokens": "many"}, "max_new_tokens is 'many'; wanted a whole number"),
        ({"train_embeddings": "maybe"}, "train_embeddings is 'maybe'; wanted true or false"),
        ({"tokens_per_pass": "0"}, "tokens_per_pass is 0; wanted a value above 0"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        settings_from(Method.AUTO, 1, overrides)
