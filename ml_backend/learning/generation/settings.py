"""How a language model is fine-tuned."""

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ...domain.model import Method
from ...errors import ConfigurationError

__all__ = ["GenerationSettings", "TuningMethod"]


class TuningMethod(StrEnum):
    """What of a language model is trained."""

    LORA = "lora"
    QLORA = "qlora"
    FULL = "full"

    @classmethod
    def of(cls, method: Method) -> "TuningMethod":
        """The one that a training's method means for models that write; auto is lora.

        Raises:
            ConfigurationError: there is none.
        """
        if method not in METHODS:
            raise ConfigurationError(f"method {method} writes no text; wanted lora, qlora or full for text areas")
        return METHODS[method]


METHODS = {
    Method.AUTO: TuningMethod.LORA,
    Method.LORA: TuningMethod.LORA,
    Method.QLORA: TuningMethod.QLORA,
    Method.FULL: TuningMethod.FULL,
}
LEARNING_RATES = {TuningMethod.LORA: 2e-4, TuningMethod.QLORA: 2e-4, TuningMethod.FULL: 2e-5}


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """Everything that determines a fine-tuning beside the rows and the base model.

    Attributes:
        method: lora trains adapters; qlora trains them over weights held in 4 bits (CUDA and bitsandbytes); full
            trains all weights.
        max_length_tokens: of prompt and response together; longer prompts lose their beginning. Bounded by what the
            base model can read.
        max_new_tokens: most tokens of a draft.
        train_embeddings: with lora, also train the whole embedding and output layers. For base models that never
            learned the language, and for none else: their adapter is as large as these layers.
        lora_r: rank of the adapter; lora_alpha / lora_r scales what it adds.
        lora_dropout: share of the adapter's inputs dropped in training.
        learning_rate: peak rate; None: 2e-4 for adapters, 2e-5 for full.
        weight_decay: as AdamW has it.
        epochs: passes over the train rows, at most.
        batch_size: rows per step.
        chunk_rows: rows that are sorted by length together before they are cut into batches.
        tokens_per_pass: most tokens, with padding, that go through the model at a time; a step of more rows than fit
            takes several passes and is the same step.
        warmup_fraction: share of the steps in which the rate rises; it falls linearly to 0 afterwards.
        clip_norm: largest norm of a step's gradient.
        patience_epochs: epochs without a lower holdout loss after which training stops.
        gradient_checkpointing: compute activations twice rather than keep them, which takes less memory and a third
            more time; None: with base models of over 500 million weights.
        evaluation_rows: most holdout rows for which the base and the tuned model write responses.
    """

    method: TuningMethod = TuningMethod.LORA
    seed: int = 1
    max_length_tokens: int = 1024
    max_new_tokens: int = 256
    train_embeddings: bool = False
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    learning_rate: float | None = None
    weight_decay: float = 0.01
    epochs: int = 3
    batch_size: int = 16
    chunk_rows: int = 1024
    tokens_per_pass: int = 4096
    warmup_fraction: float = 0.1
    clip_norm: float = 1.0
    patience_epochs: int = 1
    gradient_checkpointing: bool | None = None
    evaluation_rows: int = 100

    def __post_init__(self) -> None:
        for name in ("warmup_fraction", "lora_dropout"):
            self._check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        self._check("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more")
        self._check("seed", 0 <= self.seed < 2**32, "from 0 to 4294967295")
        self._check("max_length_tokens", self.max_length_tokens >= 8, "8 or more")
        self._check("evaluation_rows", self.evaluation_rows >= 0, "0 or more")
        self._check(
            "learning_rate", self.learning_rate is None or 0 < self.learning_rate < math.inf, "above 0, or none"
        )
        for name in _ABOVE_ZERO:
            self._check(name, 0 < getattr(self, name) < math.inf, "above 0")
        if self.train_embeddings and self.method is TuningMethod.QLORA:
            raise ConfigurationError(
                "train_embeddings does not go with method qlora, whose base must know its language; use lora or full"
            )

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate, or the method's own."""
        return LEARNING_RATES[self.method] if self.learning_rate is None else self.learning_rate

    @property
    def trains_base_weights(self) -> bool:
        """True where weights of the base model itself change, which takes fp32."""
        return self.method is TuningMethod.FULL or self.train_embeddings

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dataclasses.asdict(self)

    def _check(self, name: str, is_fine: bool, wanted: str) -> None:
        if not is_fine:
            raise ConfigurationError(f"training setting {name} is {getattr(self, name)!r}; wanted a value {wanted}")


_ABOVE_ZERO = (
    "max_new_tokens",
    "lora_r",
    "lora_alpha",
    "epochs",
    "batch_size",
    "chunk_rows",
    "tokens_per_pass",
    "clip_norm",
    "patience_epochs",
)
