"""Settings given as text, for the two ways of training: with a head on an encoder, and as a model that writes."""

import dataclasses
import typing
from collections.abc import Mapping

from ..domain.model import Method
from ..errors import ConfigurationError
from .classification.settings import TrainingSettings, read_setting
from .generation.settings import GenerationSettings, TuningMethod

__all__ = ["settings_from"]


def settings_from(
    method: Method, seed: int, overrides: Mapping[str, str]
) -> tuple[TrainingSettings, GenerationSettings]:
    """Both kinds of settings; what both have is overridden in both.

    Raises:
        ConfigurationError: a name is in neither, or a value does not fit.
    """
    kinds = {cls: typing.get_type_hints(cls) for cls in (TrainingSettings, GenerationSettings)}
    known = {name for names in kinds.values() for name in names}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise ConfigurationError(
            f"unknown training setting {', '.join(unknown)}; the known ones are {', '.join(sorted(known))}"
        )
    own = {name: text for name, text in overrides.items() if name in kinds[TrainingSettings]}
    reading = TrainingSettings(method=method, seed=seed).with_overrides(own)
    writing = GenerationSettings(
        method=TuningMethod.LORA if reading.method is Method.REGRESSION else TuningMethod.of(reading.method),
        seed=reading.seed,
    )
    values = {
        name: read_setting(name, text, kinds[GenerationSettings][name])
        for name, text in overrides.items()
        if name in kinds[GenerationSettings] and name not in ("method", "seed") and not _is_left_open(name, text)
    }
    return reading, dataclasses.replace(writing, **values)


def _is_left_open(name: str, text: str) -> bool:
    """True for what an encoder's training decides by the rows, and a model that writes has a default for."""
    return name == "epochs" and text.strip().lower() in ("", "none", "auto")
