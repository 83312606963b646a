"""Fine-tunings of a language model in a process of their own: labelloop's, and trl's with the same adapter and steps.

    python -m benchmarks.support.sft labelloop|trl RECIPE.json

The recipe is a JSON object, see `Recipe`; the last line written is one as well, see `Trained`.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Recipe", "Trained", "chat"]

MIB_PER_KIB = 1 / 1024


@dataclass(frozen=True, slots=True)
class Recipe:
    """The rows and settings of a training.

    Attributes:
        base: folder of the base model.
        pairs: prompts and responses.
        out: folder that holds `adapter/` afterwards.
        checkpointing: whether trl computes activations twice rather than keep them, as is its default.
    """

    base: str
    pairs: Sequence[tuple[str, str]]
    out: str
    epochs: int
    batch_size: int
    learning_rate: float
    rank: int
    alpha: int
    warmup_fraction: float
    max_length: int
    seed: int
    targets: Sequence[str]
    checkpointing: bool = True

    def write(self, file: Path) -> None:
        """Write the recipe as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Trained:
    """The time and memory that a training took.

    Attributes:
        seconds: of the steps alone, by the clock.
        processor_s: the same by the processor: what else the machine does counts less.
        tokens: of the rows that went through the model in the steps, padding aside.
        peak_mib: the most memory that the process has held.
    """

    seconds: float
    processor_s: float
    tokens: int
    peak_mib: float

    @property
    def seconds_per_1000(self) -> float:
        """Processor seconds per 1,000 tokens."""
        return 1000 * self.processor_s / self.tokens


def chat(prompt: str, response: str) -> dict[str, list[dict[str, str]]]:
    """A pair in the conversational form of prompt and completion."""
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": response}],
    }


def by_labelloop(recipe: Recipe) -> Trained:
    """Train as `labelloop train` does."""
    from ml_backend.learning.generation.data import Pair, TokenPairs
    from ml_backend.learning.generation.settings import GenerationSettings
    from ml_backend.learning.generation.tuned import TunedLanguageModel
    from ml_backend.learning.loop.fit import fit
    from ml_backend.models.generation.language_model import LanguageModel

    settings = GenerationSettings(
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        lora_r=recipe.rank,
        lora_alpha=recipe.alpha,
        warmup_fraction=recipe.warmup_fraction,
        max_length_tokens=recipe.max_length,
        seed=recipe.seed,
    )
    model = LanguageModel.load(recipe.base)
    pairs = [Pair(*pair) for pair in recipe.pairs]
    rows = TokenPairs.of(pairs, model.chat_format(), max_length_tokens=recipe.max_length)
    with TunedLanguageModel.over(model, settings) as tuned:
        tuned.set_rows(rows)
        trained = timed(lambda: fit(tuned, settings), recipe.epochs * sum(len(row.ids) for row in rows.rows))
        tuned.save(Path(recipe.out))
    return trained


def by_trl(recipe: Recipe) -> Trained:
    """Train by trl's SFTTrainer, with its defaults for all that the recipe does not name."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(recipe.base)
    model = AutoModelForCausalLM.from_pretrained(recipe.base, dtype="float32")
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([chat(*pair) for pair in recipe.pairs]),
        peft_config=LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=0.0,
            target_modules=list(recipe.targets),
            task_type="CAUSAL_LM",
        ),
        args=SFTConfig(
            output_dir=f"{recipe.out}/trl",
            num_train_epochs=recipe.epochs,
            per_device_train_batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            warmup_steps=recipe.warmup_fraction,
            max_length=recipe.max_length,
            seed=recipe.seed,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
            gradient_checkpointing=recipe.checkpointing,
        ),
    )
    tokens = sum(len(row["input_ids"]) for row in trainer.train_dataset)
    trained = timed(trainer.train, recipe.epochs * tokens)
    trainer.model.save_pretrained(f"{recipe.out}/adapter")
    return trained


def timed(train: Callable[[], object], tokens: int) -> Trained:
    """Train, and measure that."""
    began_s, began_processor_s = time.perf_counter(), time.process_time()
    train()
    seconds, processor_s = time.perf_counter() - began_s, time.process_time() - began_processor_s
    return Trained(seconds, processor_s, tokens, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_KIB)


WAYS = {"labelloop": by_labelloop, "trl": by_trl}


def main(way: str, file: str) -> None:
    """Train by one of the ways."""
    values: Mapping[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    print(json.dumps(asdict(WAYS[way](Recipe(**values)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
