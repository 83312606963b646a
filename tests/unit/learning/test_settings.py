import dataclasses
import json
from pathlib import Path

import pytest

from ml_backend.domain.model import Method
from ml_backend.errors import ConfigurationError
from ml_backend.learning import generation
from ml_backend.learning.classification.settings import Hyperparameters, TrainingSettings
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.learning.overrides import settings_from

PROBE = Path(generation.__path__[0]) / "probe.txt"
HYPERPARAMETERS = [field.name for field in dataclasses.fields(Hyperparameters)]


def test_overrides_are_read_as_the_type_of_their_setting() -> None:
    settings = TrainingSettings(patience_epochs=3).with_overrides(
        {"method": "lora", "epochs": "3", "adapter_learning_rate": "1e-3", "seed": "7"}
    )

    assert (settings.method, settings.epochs, settings.adapter_learning_rate) == (Method.LORA, 3, 1e-3)
    assert (settings.seed, settings.patience_epochs) == (7, 3)
    assert settings.with_overrides({"epochs": "none"}).epochs is None
    assert GenerationSettings().with_overrides({"train_embeddings": "yes"}).train_embeddings


def test_an_unknown_setting_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown training setting epoch; the known ones are .*epochs"):
        TrainingSettings().with_overrides({"epoch": "3"})


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("epochs", "three", "wanted a whole number"),
        ("epochs", "2.5", "wanted a whole number"),
        ("clip_norm", "big", "wanted a number"),
        ("method", "magic", "wanted auto or regression or lora"),
        ("epochs", "0", "wanted a value 1 or more"),
        ("folds", "1", "wanted a value 2 or more"),
        ("lora_dropout", "1", "wanted a value from 0 to below 1"),
        ("weight_decay", "-1", "wanted a value 0 or more"),
        ("regression_c", "nan", "wanted a value above 0"),
        ("head_scale", "nan", "wanted a value 0 or more"),
        ("adapter_learning_rate", "inf", "wanted a value above 0"),
        ("batch_size", "0", "wanted a value above 0"),
        ("seed", "-1", "wanted a value from 0"),
        ("max_length_tokens", "2", "wanted a value 8 or more"),
        *((name, "-1", "wanted a value") for name in HYPERPARAMETERS),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, text: str, wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=f"training setting {name} is .*{wanted}"):
        TrainingSettings().with_overrides({name: text})


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
def test_a_value_that_no_fine_tuning_can_have_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"training setting {name} is {value!r}"):
        GenerationSettings(**{name: value})


def test_settings_are_plain_json() -> None:
    for settings, method in ((TrainingSettings(), "auto"), (GenerationSettings(), "lora")):
        assert json.loads(json.dumps(settings.to_json()))["method"] == method


def test_hyperparameters_are_open_unless_they_are_set() -> None:
    settings = TrainingSettings()

    for name in HYPERPARAMETERS:
        assert getattr(settings, name) is None
        assert getattr(settings.with_overrides({name: "4"}), name) == 4
        assert getattr(settings.with_overrides({name: "4"}).with_overrides({name: "auto"}), name) is None


def test_what_is_set_takes_the_place_of_a_hyperparameter_even_where_it_is_0() -> None:
    hyperparameters = Hyperparameters(epochs=5, adversarial_size=0.1, lora_r=16)

    found = hyperparameters.with_settings(TrainingSettings(adversarial_size=0.0, lora_r=4))

    assert found == Hyperparameters(epochs=5, adversarial_size=0.0, lora_r=4)


def test_every_method_of_fine_tuning_has_a_learning_rate_unless_one_is_given() -> None:
    assert GenerationSettings().peak_learning_rate == 2e-4
    assert GenerationSettings(method=Method.FULL).peak_learning_rate == 2e-5
    assert GenerationSettings(learning_rate=1e-3).peak_learning_rate == 1e-3


def test_base_weights_are_trained_by_full_and_with_embeddings_alone() -> None:
    assert not GenerationSettings().trains_base_weights
    assert GenerationSettings(method=Method.FULL).trains_base_weights
    assert GenerationSettings(train_embeddings=True).trains_base_weights
    with pytest.raises(ConfigurationError, match="does not go with method qlora"):
        GenerationSettings(method=Method.QLORA, train_embeddings=True)


def test_the_probe_is_thirty_different_sentences() -> None:
    probe = PROBE.read_text(encoding="utf-8").splitlines()
    assert len(probe) == len(set(probe)) == 30
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in probe)


def test_what_both_kinds_have_is_overridden_in_both_and_the_rest_in_one() -> None:
    for_heads, for_texts = settings_from(
        Method.LORA, 7, {"epochs": "2", "folds": "3", "max_new_tokens": "9", "train_embeddings": "yes"}
    )

    assert (for_heads.method, for_heads.seed, for_heads.epochs, for_heads.folds) == (Method.LORA, 7, 2, 3)
    assert (for_texts.method, for_texts.seed, for_texts.epochs) == (Method.LORA, 7, 2)
    assert (for_texts.max_new_tokens, for_texts.train_embeddings) == (9, True)
    assert settings_from(Method.AUTO, 1, {}) == (TrainingSettings(), GenerationSettings())


@pytest.mark.parametrize(
    ("method", "expected"),
    [(Method.AUTO, "lora"), (Method.REGRESSION, "lora"), (Method.QLORA, "qlora"), (Method.FULL, "full")],
)
def test_the_method_of_a_model_that_writes(method: Method, expected: str) -> None:
    assert settings_from(method, 1, {})[1].method == expected


def test_epochs_may_be_left_to_the_rows() -> None:
    for_heads, for_texts = settings_from(Method.AUTO, 1, {"epochs": "auto"})

    assert (for_heads.epochs, for_texts.epochs) == (None, GenerationSettings().epochs)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epoch": "3"}, "unknown training setting epoch; the known ones are .*learning_rate"),
        ({"max_new_tokens": "many"}, "max_new_tokens is 'many'; wanted a whole number"),
        ({"train_embeddings": "maybe"}, "train_embeddings is 'maybe'; wanted true or false"),
        ({"tokens_per_pass": "0"}, "tokens_per_pass is 0; wanted a value above 0"),
    ],
)
def test_what_does_not_fit_either_kind_is_refused(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        settings_from(Method.AUTO, 1, overrides)
