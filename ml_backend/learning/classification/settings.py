"""How a version is trained."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import EnumType
from typing import Any

from ...domain.model import Method, Suspects
from ...errors import ConfigurationError

__all__ = ["TrainingSettings", "read_setting"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything that determines a training run beside the rows and the base model.

    What is None follows the kind of control and the number of rows: see `Hyperparameters` and the objectives.

    Attributes:
        method: auto tries regression and LoRA and keeps the better one; the others make just that.
        suspects: train rows whose label an audit of the same rows suspects are kept, weighted down or excluded.
        max_length_tokens: longer texts are cut; bounded by what the base model can read.
        description_weight: weight of a label's name and of each phrase of its hint as a train text; 0 leaves them out.
        regression_c: inverse strength of the regression's L2 penalty.
        regression_max_iterations: steps after which its solver stops.
        lora_r: rank of the adapter; lora_alpha / lora_r scales what it adds.
        lora_dropout: share of the adapter's inputs dropped in training.
        adapter_learning_rate: peak rate of the adapter.
        full_learning_rate: peak rate of the base model's weights, where all of them are trained.
        head_learning_rate: peak rate of the head.
        adversarial_size: every step also sees its batch with the word vectors moved, by this share of their length, to
            where the loss rises fastest; that doubles its time, and 0 leaves it out.
        weight_decay: of what is trained in the base model; the head has none.
        epochs: passes over the train rows.
        few_rows_per_class: up to this mean number of train rows per class, the rows count as few.
        head_scale: with many rows the head starts as this multiple of the class means, with few as the regression.
        batch_size: rows per step.
        chunk_rows: rows that are sorted by length together before they are cut into batches.
        warmup_fraction: share of the steps in which the rates rise; they fall linearly to 0 afterwards.
        clip_norm: largest norm of a step's gradient.
        patience_epochs: epochs without a better validation F1 after which training stops.
        least_validation_rows: under this many validation rows the methods are compared by folds inside train.
        folds: number of such folds.
        fold_rows: as many folds are scored as fit into this many rows, at least one; each costs a LoRA training.
        fold_most_rows: most rows that a fold's models are trained on, and most that they score.
        budget_min: minutes that a training may take, its audit included; folds, adversarial passes and epochs that do
            not fit on this machine are left out. None: as long as all of it takes.
    """

    method: Method = Method.AUTO
    seed: int = 1
    suspects: Suspects = Suspects.DOWNWEIGHT
    max_length_tokens: int = 256
    description_weight: float = 1.0
    regression_c: float | None = None
    regression_max_iterations: int = 1000
    lora_r: int | None = None
    lora_alpha: int | None = None
    lora_dropout: float = 0.0
    adapter_learning_rate: float | None = None
    full_learning_rate: float | None = None
    head_learning_rate: float | None = None
    adversarial_size: float | None = None
    weight_decay: float = 0.01
    epochs: int | None = None
    few_rows_per_class: int = 50
    head_scale: float = 20.0
    batch_size: int | None = None
    chunk_rows: int = 1024
    warmup_fraction: float = 0.1
    clip_norm: float = 1.0
    patience_epochs: int = 2
    least_validation_rows: int = 200
    folds: int = 5
    fold_rows: int = 400
    fold_most_rows: int = 2000
    budget_min: float | None = None

    def __post_init__(self) -> None:
        for name in ("warmup_fraction", "lora_dropout"):
            self._check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        for name in ("weight_decay", "description_weight", "adversarial_size"):
            self._check(name, _is_open(self, name) or 0 <= getattr(self, name) < math.inf, "0 or more")
        self._check("seed", 0 <= self.seed < 2**32, "from 0 to 4294967295")
        self._check("folds", self.folds >= 2, "2 or more")
        self._check("max_length_tokens", self.max_length_tokens >= 8, "8 or more")
        self._check("epochs", self.epochs is None or self.epochs >= 1, "1 or more")
        for name in _ABOVE_ZERO:
            self._check(name, _is_open(self, name) or 0 < getattr(self, name) < math.inf, "above 0")

    @property
    def tuned(self) -> Method | None:
        """How the base model is tuned beside the regression; None where the regression alone was asked for."""
        return {Method.AUTO: Method.LORA, Method.REGRESSION: None}.get(self.method, self.method)

    def has_few_rows(self, rows: int, classes: int) -> bool:
        """True where so many train rows of so many classes count as few."""
        return rows <= self.few_rows_per_class * classes

    def with_overrides(self, overrides: Mapping[str, str]) -> "TrainingSettings":
        """These settings with some replaced, given as text: `{"epochs": "3"}`.

        Raises:
            ConfigurationError: a name is unknown or a value does not fit it.
        """
        kinds = typing.get_type_hints(type(self))
        unknown = sorted(set(overrides) - set(kinds))
        if unknown:
            raise ConfigurationError(
                f"unknown training setting {', '.join(unknown)}; the known ones are {', '.join(sorted(kinds))}"
            )
        values = {name: read_setting(name, text, kinds[name]) for name, text in overrides.items()}
        return dataclasses.replace(self, **values)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dataclasses.asdict(self)

    def _check(self, name: str, is_fine: bool, wanted: str) -> None:
        if not is_fine:
            raise ConfigurationError(f"training setting {name} is {getattr(self, name)!r}; wanted a value {wanted}")


def _is_open(settings: TrainingSettings, name: str) -> bool:
    return getattr(settings, name) is None


_ABOVE_ZERO = (
    "regression_c",
    "regression_max_iterations",
    "lora_r",
    "lora_alpha",
    "adapter_learning_rate",
    "full_learning_rate",
    "head_learning_rate",
    "head_scale",
    "batch_size",
    "chunk_rows",
    "clip_norm",
    "patience_epochs",
    "least_validation_rows",
    "fold_rows",
    "fold_most_rows",
    "budget_min",
)


BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBERS: Mapping[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def read_setting(name: str, text: str, kind: Any) -> Any:
    """The value that a text gives to a setting of this kind.

    Raises:
        ConfigurationError: it gives none.
    """
    kinds = [part for part in typing.get_args(kind) if part is not type(None)] or [kind]
    is_optional = isinstance(kind, types.UnionType)
    if is_optional and text.strip().lower() in ("", "none", "auto"):
        return None
    try:
        return BOOLS[text.strip().lower()] if kinds[0] is bool else kinds[0](text.strip())
    except (ValueError, KeyError):
        kind = kinds[0]
        wanted = " or ".join(kind) if isinstance(kind, EnumType) else _NUMBERS[kind]
        raise ConfigurationError(f"training setting {name} is {text!r}; wanted {wanted}") from None
