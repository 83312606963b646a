"""How a language model is fine-tuned."""

from dataclasses import dataclass

from ...domain.model import Method
from ...errors import ConfigurationError
from ..loop.settings import LoopSettings

__all__ = ["GenerationSettings"]


@dataclass(frozen=True, slots=True)
class GenerationSettings(LoopSettings):
    """Everything that determines a fine-tuning beside the rows and the base model; see `LoopSettings` for the rest.

    Attributes:
        method: lora trains adapters; qlora trains them over weights held in 4 bits (CUDA and bitsandbytes); full
            trains all weights; dpo goes on with the adapter of a version, from pairs of responses.
        max_length_tokens: of prompt and response together; longer prompts lose their beginning.
        max_new_tokens: most tokens of a draft.
        train_embeddings: with lora, also train the whole embedding and output layers. For base models that never
            learned the language, and for none else: their adapter is as large as these layers.
        lora_r: rank of the adapter; lora_alpha / lora_r scales what it adds.
        learning_rate: peak rate; None: 2e-4 for adapters, 2e-5 for full, 5e-5 for dpo.
        epochs: passes over the train rows, at most.
        batch_size: rows per step.
        tokens_per_pass: most tokens, with padding, that go through the model at a time; a step of more rows than fit
            takes several passes and is the same step.
        gradient_checkpointing: compute activations twice rather than keep them, which takes less memory and a third
            more time; None: with base models of over 500 million weights.
        evaluation_rows: most holdout rows for which the base and the tuned model write responses.
        beta: of dpo, how strongly the model is held to the version that it continues.
        label_smoothing: of dpo, the share of pairs that are taken to be the wrong way round.
    """

    method: Method = Method.LORA
    max_length_tokens: int = 1024
    max_new_tokens: int = 256
    train_embeddings: bool = False
    lora_r: int = 16
    lora_alpha: int = 32
    learning_rate: float | None = None
    epochs: int = 3
    batch_size: int = 16
    tokens_per_pass: int = 4096
    patience_epochs: int = 1
    gradient_checkpointing: bool | None = None
    evaluation_rows: int = 100
    beta: float = 0.1
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        LoopSettings.__post_init__(self)  # super() does not work in a dataclass with slots
        self._check("0 or more", lambda value: value >= 0, "evaluation_rows")
        self._check_above_zero(
            "learning_rate", "max_new_tokens", "lora_r", "lora_alpha", "epochs", "batch_size", "tokens_per_pass", "beta"
        )
        self._check("from 0 to below 0.5", lambda value: 0 <= value < 0.5, "label_smoothing")
        if self.method in (Method.AUTO, Method.REGRESSION):
            raise ConfigurationError(
                f"method {self.method} writes no text; wanted lora, qlora, full or dpo for text areas"
            )
        if self.train_embeddings and self.method is Method.QLORA:
            raise ConfigurationError(
                "train_embeddings does not go with method qlora, whose base must know its language; use lora or full"
            )

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate, or the default of the method."""
        default = {Method.FULL: 2e-5, Method.DPO: 5e-5}.get(self.method, 2e-4)
        return default if self.learning_rate is None else self.learning_rate

    @property
    def trains_base_weights(self) -> bool:
        """True where weights of the base model itself change, which takes fp32."""
        return self.method is Method.FULL or self.train_embeddings
