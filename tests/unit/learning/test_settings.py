import dataclasses
import json

import pytest

from ml_backend.domain.model import Method
from ml_backend.errors import ConfigurationError
from ml_backend.learning.classification.settings import Hyperparameters
from ml_backend.learning.classification.settings import TrainingSettings


def test_overrides_are_read_as_the_type_of_their_setting() -> None:
    settings = TrainingSettings().with_overrides(
        {"method": "lora", "epochs": "3", "adapter_learning_rate": "1e-3", "seed": "7"}
    )

    assert (settings.method, settings.epochs, settings.adapter_learning_rate) == (Method.LORA, 3, 1e-3)
    assert settings.seed == 7


def test_an_optional_setting_can_be_set_back() -> None:
    assert TrainingSettings(epochs=3).with_overrides({"epochs": "none"}).epochs is None


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
        ("head_scale", "nan", "wanted a value above 0"),
        ("adapter_learning_rate", "inf", "wanted a value above 0"),
        ("batch_size", "0", "wanted a value above 0"),
        ("seed", "-1", "wanted a value from 0"),
        ("max_length_tokens", "2", "wanted a value 8 or more"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, text: str, wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=f"training setting {name} is .*{wanted}"):
        TrainingSettings().with_overrides({name: text})


def test_settings_are_plain_json() -> None:
    assert json.loads(json.dumps(TrainingSettings().to_json()))["method"] == "auto"


def test_what_the_recipe_decides_is_open_unless_it_is_set() -> None:
    settings = TrainingSettings()
    names = [field.name for field in dataclasses.fields(Hyperparameters)]

    assert {name: getattr(settings, name) for name in names} == dict.fromkeys(names)
    for name in names:
        assert getattr(settings.with_overrides({name: "4"}), name) == 4
        assert getattr(settings.with_overrides({name: "4"}).with_overrides({name: "auto"}), name) is None


@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(Hyperparameters) if field.name != "epochs"]
)
def test_a_value_of_the_recipe_that_cannot_work_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"training setting {name} is -1"):
        TrainingSettings().with_overrides({name: "-1"})


def test_what_is_set_takes_the_place_of_the_recipe_even_where_it_is_0() -> None:
    hyperparameters = Hyperparameters(epochs=5, adversarial_size=0.1, lora_r=16)

    found = hyperparameters.with_settings(TrainingSettings(adversarial_size=0.0, lora_r=4))

    assert found == Hyperparameters(epochs=5, adversarial_size=0.0, lora_r=4)
