"""The settings that a search varies, read from the command line."""

import optuna
import pytest

from ml_backend.domain.model import Method
from ml_backend.errors import ConfigurationError
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.search_space import SearchedSetting


@pytest.mark.parametrize(
    ("text", "is_log", "tried"),
    [
        ("lora_r=4..32", False, (4, 32)),
        ("epochs=1..20", True, (1, 20)),
        ("adapter_learning_rate=1e-4 .. 1e-2", True, (1e-4, 1e-2)),
        ("weight_decay=0..1", False, (0.0, 1.0)),
    ],
)
def test_a_range_is_searched_by_orders_of_magnitude_where_it_spans_more_than_one(
    text: str, is_log: bool, tried: tuple[float, float]
) -> None:
    setting = SearchedSetting.parse(text)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    values = [TrainingSettings().with_overrides({setting.name: setting.suggest(study.ask())}) for _ in range(20)]

    assert setting.is_log is is_log
    assert all(tried[0] <= getattr(value, setting.name) <= tried[1] for value in values)
    assert len({getattr(value, setting.name) for value in values}) > 3


def test_values_are_tried_as_they_are_written_and_a_default_is_found_among_them() -> None:
    setting = SearchedSetting.parse("batch_size = 16,32, 064")

    assert setting.values == ("16", "32", "064")
    assert setting.suggest(optuna.create_study().ask()) in setting.values
    assert [setting.trial_value(value) for value in (32, 64)] == ["32", "064"]
    assert [setting.holds(value) for value in (32, 64, 8)] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lora_r", "wanted NAME=LOW..HIGH"),
        ("=4..8", "wanted NAME=LOW..HIGH"),
        ("rank=4..8", "rank is no training setting; wanted one of .*lora_r"),
        ("folds=2..5", "folds changes what is scored"),
        ("seed=1,2", "seed changes what is scored"),
        ("lora_r=8..4", "its range is empty"),
        ("lora_r=4..", "a value is ''"),
        ("lora_r=4.5..8", "lora_r is '4.5'; wanted a whole number"),
        ("lora_r=0..8", "lora_r is 0; wanted a value above 0"),
        ("adapter_learning_rate=nan..1", "adapter_learning_rate is nan"),
        ("batch_size=8,,16", "a value is ''"),
        ("batch_size=8,none", "a value is 'none'"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_what_would_do(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SearchedSetting.parse(text)


def test_a_setting_is_searched_once() -> None:
    with pytest.raises(ConfigurationError, match="lora_r twice"):
        SearchedSetting.parse_all(["lora_r=4..8", "epochs=2..4", "lora_r=8,16"], Method.LORA)


@pytest.mark.parametrize("method", SearchedSetting.DEFAULT_SEARCHES)
def test_each_method_has_a_search_of_its_own(method: Method) -> None:
    assert SearchedSetting.parse_all((), method)
