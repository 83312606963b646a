"""Settings given as text, for both ways of training: with a head on an encoder, and as a model that writes."""

from collections.abc import Mapping
from dataclasses import fields

from ..domain.model import Method
from ..errors import ConfigurationError
from .classification.settings import TrainingSettings
from .generation.settings import GenerationSettings

__all__ = ["settings_from"]


def settings_from(
    method: Method, seed: int, overrides: Mapping[str, str]
) -> tuple[TrainingSettings, GenerationSettings]:
    """Return both kinds of settings; what both have is overridden in both.

    Raises:
        ConfigurationError: a name is in neither, or a value does not fit.
    """
    for_heads, for_texts = ({field.name for field in fields(cls)} for cls in (TrainingSettings, GenerationSettings))
    unknown = sorted(set(overrides) - for_heads - for_texts)
    if unknown:
        raise ConfigurationError(
            f"unknown training setting {', '.join(unknown)}; "
            f"the known ones are {', '.join(sorted(for_heads | for_texts))}"
        )
    settings = TrainingSettings(method=method, seed=seed).with_overrides(
        {name: text for name, text in overrides.items() if name in for_heads}
    )
    is_open = settings.method in (Method.AUTO, Method.REGRESSION)
    writing = GenerationSettings(method=Method.LORA if is_open else settings.method, seed=settings.seed)
    changes = {
        name: text
        for name, text in overrides.items()
        if name in for_texts - {"method", "seed"} and not _is_left_open(name, text)
    }
    return settings, writing.with_overrides(changes)


def _is_left_open(name: str, text: str) -> bool:
    """True for what an encoder's training decides by the rows, and a model that writes has a default for."""
    return name == "epochs" and text.strip().lower() in ("", "none", "auto")
