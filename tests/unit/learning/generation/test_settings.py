import pytest

from ml_backend.errors import ConfigurationError
from ml_backend.learning.generation.probe import PROBE
from ml_backend.learning.generation.settings import GenerationSettings, TuningMethod


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("learning_rate", 0.0),
        ("lora_dropout", 1.0),
        ("max_length_tokens", 7),
        ("evaluation_rows", -1),
        ("tokens_per_pass", 0),
        ("seed", -1),
        ("weight_decay", -0.1),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"training setting {name} is {value!r}"):
        GenerationSettings(**{name: value})


def test_every_method_has_its_own_learning_rate_unless_one_is_given() -> None:
    assert GenerationSettings().peak_learning_rate == 2e-4
    assert GenerationSettings(method=TuningMethod.FULL).peak_learning_rate == 2e-5
    assert GenerationSettings(learning_rate=1e-3).peak_learning_rate == 1e-3


def test_base_weights_are_trained_by_full_and_with_embeddings_alone() -> None:
    assert not GenerationSettings().trains_base_weights
    assert GenerationSettings(method=TuningMethod.FULL).trains_base_weights
    assert GenerationSettings(train_embeddings=True).trains_base_weights


def test_embeddings_in_four_bits_cannot_be_trained() -> None:
    with pytest.raises(ConfigurationError, match="does not go with method qlora"):
        GenerationSettings(method=TuningMethod.QLORA, train_embeddings=True)


def test_the_probe_is_thirty_different_sentences() -> None:
    assert len(PROBE) == len(set(PROBE)) == 30
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in PROBE)
