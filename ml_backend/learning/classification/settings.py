"""How a version of linear heads is trained."""

from dataclasses import dataclass, fields, replace

from ...domain.model import Method, Suspects
from ..loop.settings import LoopSettings

__all__ = ["Hyperparameters", "TrainingSettings"]

LEAST_STEPS, MOST_EPOCHS = 130, 20
"""The number of steps that a tuned model makes at least, and the number of passes over few rows that limits it."""


@dataclass(frozen=True, slots=True)
class TrainingSettings(LoopSettings):
    """Everything that determines a training run beside the rows and the base model; see `LoopSettings` for the rest.

    What is None follows the kind of control and the number of rows: see `Hyperparameters` and the objectives.

    Attributes:
        method: auto tries regression and LoRA and keeps the better one; the others make just that.
        suspects: train rows whose label an audit of the same rows suspects are kept, weighted down or excluded.
        description_weight: weight of a label's name and of each phrase of its hint as a train text; 0 leaves them out.
        regression_c: inverse strength of the regression's L2 penalty.
        regression_max_iterations: steps after which its solver stops.
        lora_r: rank of the adapter; lora_alpha / lora_r scales what it adds.
        adapter_strength: share of what the adapter has learned that is kept when it is trained; 1 keeps it as it is.
        adapter_learning_rate: peak rate of the adapter.
        full_learning_rate: peak rate of the base model's weights, where all of them are trained.
        head_learning_rate: peak rate of the head, which has no weight decay.
        adversarial_size: every step also sees its batch with the word vectors moved to where the loss rises fastest,
            all of a text's together by this share of one vector's length; that doubles its time, 0 leaves it out.
        epochs: passes over the train rows.
        head_scale: the head of a single choice starts as this multiple of the class means; 0: as the regression.
        batch_size: rows per step.
        least_validation_rows: under this many validation rows the methods are compared by folds inside train.
        folds: number of such folds.
        fold_rows: as many folds are scored as fit into this many rows, at least one; each costs a LoRA training.
        fold_most_rows: most rows that a fold's models are trained on, and most that they score.
        budget_min: minutes that a training may take, its audit included; folds, adversarial passes and epochs that do
            not fit on this machine are left out. None: as long as all of it takes.
    """

    method: Method = Method.AUTO
    suspects: Suspects = Suspects.DOWNWEIGHT
    description_weight: float = 1.0
    regression_c: float | None = None
    regression_max_iterations: int = 1000
    lora_r: int | None = None
    lora_alpha: int | None = None
    adapter_strength: float | None = None
    adapter_learning_rate: float | None = None
    full_learning_rate: float | None = None
    head_learning_rate: float | None = None
    adversarial_size: float | None = None
    epochs: int | None = None
    head_scale: float | None = None
    batch_size: int | None = None
    least_validation_rows: int = 200
    folds: int = 5
    fold_rows: int = 400
    fold_most_rows: int = 2000
    budget_min: float | None = None

    def __post_init__(self) -> None:
        LoopSettings.__post_init__(self)  # super() does not work in a dataclass with slots
        not_negative = ("description_weight", "adversarial_size", "head_scale")
        self._check("0 or more", lambda value: 0 <= value < float("inf"), *not_negative)
        self._check("2 or more", lambda value: value >= 2, "folds")
        self._check("1 or more", lambda value: value >= 1, "epochs")
        self._check_above_zero(
            "regression_c",
            "regression_max_iterations",
            "lora_r",
            "lora_alpha",
            "adapter_strength",
            "adapter_learning_rate",
            "full_learning_rate",
            "head_learning_rate",
            "batch_size",
            "least_validation_rows",
            "fold_rows",
            "fold_most_rows",
            "budget_min",
        )

    @property
    def tuned(self) -> Method | None:
        """How the base model is tuned beside the regression; None where the regression alone was asked for."""
        return {Method.AUTO: Method.LORA, Method.REGRESSION: None}.get(self.method, self.method)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The values that training settings leave open for the head; `TrainingSettings` explains each of them."""

    epochs: int
    regression_c: float = 30.0
    lora_r: int = 8
    lora_alpha: int = 16
    adapter_strength: float = 1.0
    adapter_learning_rate: float = 2e-3
    full_learning_rate: float = 1e-4
    head_learning_rate: float = 1e-2
    batch_size: int = 32
    adversarial_size: float = 0.0
    head_scale: float = 0.0

    @property
    def passes(self) -> int:
        """How often a step passes over its rows."""
        return 2 if self.adversarial_size else 1

    def with_enough_steps(self, rows: int, *, most_epochs: int = MOST_EPOCHS) -> "Hyperparameters":
        """Return these, with as many more epochs over so many rows as a tuned model needs to learn from few rows."""
        wanted = -(-LEAST_STEPS // -(-rows // self.batch_size))
        return replace(self, epochs=max(self.epochs, min(wanted, most_epochs)))

    def with_settings(self, settings: TrainingSettings) -> "Hyperparameters":
        """Return these, with whatever the settings do not leave open in place of it."""
        values = {each.name: getattr(settings, each.name) for each in fields(self)}
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return Hyperparameters(**{name: own[name] if value is None else value for name, value in values.items()})
