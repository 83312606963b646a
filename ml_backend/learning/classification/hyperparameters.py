"""What training settings leave open, decided for a kind of head and a number of rows."""

from dataclasses import dataclass, fields

from .settings import TrainingSettings

__all__ = ["Hyperparameters"]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Figures that differ by kind of head; `TrainingSettings` says what each of them is."""

    epochs: int
    regression_c: float = 30.0
    lora_r: int = 8
    lora_alpha: int = 16
    adapter_learning_rate: float = 2e-3
    full_learning_rate: float = 1e-4
    head_learning_rate: float = 1e-2
    batch_size: int = 32
    adversarial_size: float = 0.0

    def with_settings(self, settings: TrainingSettings) -> "Hyperparameters":
        """This recipe, and whatever the settings do not leave open in place of it."""
        wished = {field.name: getattr(settings, field.name) for field in fields(self)}
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return Hyperparameters(**{name: own[name] if value is None else value for name, value in wished.items()})
