"""Settings that every training has, and settings given as text."""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import EnumType
from typing import Any, Self

from ...errors import ConfigurationError

__all__ = ["LoopSettings"]


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Settings that determine a training whatever is trained.

    Attributes:
        max_length_tokens: most that are read at once, bounded by what the base model can read. A model that writes
            reads no more of a row; heads read a longer one piece by piece.
        lora_dropout: share of the adapter's inputs dropped in training.
        weight_decay: of what is trained in the base model, as AdamW has it.
        chunk_rows: rows that are sorted by length together before they are cut into batches.
        warmup_fraction: share of the steps in which the rates rise; they fall linearly to 0 afterwards.
        clip_norm: largest norm of a step's gradient.
        patience_epochs: epochs without a better score on the validation rows after which training stops.
    """

    seed: int = 1
    max_length_tokens: int = 256
    lora_dropout: float = 0.0
    weight_decay: float = 0.01
    chunk_rows: int = 1024
    warmup_fraction: float = 0.1
    clip_norm: float = 1.0
    patience_epochs: int = 2

    def __post_init__(self) -> None:
        self._check("from 0 to below 1", lambda value: 0 <= value < 1, "warmup_fraction", "lora_dropout")
        self._check("0 or more", lambda value: 0 <= value < math.inf, "weight_decay")
        self._check("from 0 to 4294967295", lambda value: 0 <= value < 2**32, "seed")
        self._check("8 or more", lambda value: value >= 8, "max_length_tokens")
        self._check_above_zero("chunk_rows", "clip_norm", "patience_epochs")

    def with_overrides(self, overrides: Mapping[str, str]) -> Self:
        """Return these settings with some replaced, given as text: `{"epochs": "3"}`.

        Raises:
            ConfigurationError: a name is unknown or a value does not fit it.
        """
        kinds = typing.get_type_hints(type(self))
        unknown = sorted(set(overrides) - set(kinds))
        if unknown:
            raise ConfigurationError(
                f"unknown training setting {', '.join(unknown)}; the known ones are {', '.join(sorted(kinds))}"
            )
        return dataclasses.replace(self, **{name: _read(name, text, kinds[name]) for name, text in overrides.items()})

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dataclasses.asdict(self)

    def _check(self, wanted: str, is_fine: Callable[[Any], bool], *names: str) -> None:
        """Raise a ConfigurationError for the first setting that is set, and not fine."""
        for name in names:
            value = getattr(self, name)
            if value is not None and not is_fine(value):
                raise ConfigurationError(f"training setting {name} is {value!r}; wanted a value {wanted}")

    def _check_above_zero(self, *names: str) -> None:
        self._check("above 0", lambda value: 0 < value < math.inf, *names)


_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBERS: Mapping[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def _read(name: str, text: str, kind: Any) -> Any:
    """Return the value that a text gives to a setting of this kind, or raise a ConfigurationError."""
    kinds = [part for part in typing.get_args(kind) if part is not type(None)] or [kind]
    is_optional = isinstance(kind, types.UnionType)
    if is_optional and text.strip().lower() in ("", "none", "auto"):
        return None
    try:
        return _BOOLS[text.strip().lower()] if kinds[0] is bool else kinds[0](text.strip())
    except (ValueError, KeyError):
        kind = kinds[0]
        wanted = " or ".join(kind) if isinstance(kind, EnumType) else _NUMBERS[kind]
        raise ConfigurationError(f"training setting {name} is {text!r}; wanted {wanted}") from None
