"""Direct preference optimisation of the default language model on E2E, with a preference that was planted.

    python -m benchmarks.preferences --data E2E

`train.csv` and `test.csv` with the columns `mr` and `ref`: several references per meaning, all written by people. Some
are trained on as experts' responses (LoRA, labelloop's defaults). Then, of two references of a meaning that are of
equal length, give or take a word, and of which one begins with the place's name, the other one is said to be preferred;
and the adapter goes on learning from such pairs (DPO, labelloop's defaults). Measured before and after on meanings of
the test file: how often the preferred reference is the likelier one, with all of its words (ranking accuracy) and per
token; how often it became so more than the other did (reward accuracy); and of what is written, how much begins with
something other than the name, its words, and ROUGE-L and BLEU against all references.
"""

import argparse
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.generation import PROMPT, Meanings, read_meanings
from ml_backend.arrays import Floats
from ml_backend.domain.model import Method
from ml_backend.domain.preference import Preference
from ml_backend.learning.generation.data import Pair, TokenPairs
from ml_backend.learning.generation.preferring import PreferringModel, preference_margins, prefers
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.learning.generation.tuned import TunedLanguageModel
from ml_backend.learning.loop.fit import fit
from ml_backend.measuring.gate import difference_interval
from ml_backend.measuring.measures.base import PairedStatistics
from ml_backend.measuring.text_metrics import TextEvaluation
from ml_backend.models.base.packaged import DEFAULT_TEXT_BASE_MODEL
from ml_backend.models.generation.generator import TextGenerator
from ml_backend.models.generation.language_model import LanguageModel
from ml_backend.models.generation.tuned_model import load_adapted_model

__all__ = ["main"]

MOST_TOKENS = 80
MOST_DIFFERENCE = 1
"""Words by which one reference of a pair is longer, at most."""
NAME = re.compile(r"name\[(.*?)\]")


def main() -> None:
    """Train twice, and print what the model prefers and writes before and after the second training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("E2E"), required="E2E" not in os.environ)
    parser.add_argument("--rows", type=int, default=100, help="responses that the supervised adapter learns")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--test-pairs", type=int, default=200)
    parser.add_argument("--written", type=int, default=50, help="held-out meanings that are answered")
    parser.add_argument("--epochs", type=int, default=1, help="over the pairs")
    parser.add_argument("--learning-rate", type=float, help="of the second training")
    parser.add_argument("--batch-size", type=int, default=GenerationSettings().batch_size, help="pairs per step")
    parser.add_argument("--beta", type=float, default=GenerationSettings().beta)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder of the supervised adapter; one that is there is used")
    parser.add_argument("--validation-pairs", type=int, default=60, help="of the train file, to choose settings by")
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    train, test = (read_meanings(asked.data / f"{name}.csv") for name in ("train", "test"))
    draw.shuffle(train)
    draw.shuffle(test)
    settings = GenerationSettings(
        method=Method.DPO,
        epochs=asked.epochs,
        learning_rate=asked.learning_rate,
        batch_size=asked.batch_size,
        beta=asked.beta,
        seed=asked.seed,
        max_new_tokens=MOST_TOKENS,
    )
    rows = [Pair(PROMPT.format(meaning), draw.choice(references)) for meaning, references in train[: asked.rows]]
    paired, held_out = pairs_of(train[asked.rows :], draw), pairs_of(test, draw)
    held_out, validation = held_out[: asked.test_pairs], paired[: asked.validation_pairs]
    pairs = paired[asked.validation_pairs :][: asked.pairs]
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        if not (folder / "adapter").is_dir():
            print(
                f"supervised: {len(rows)} responses in {timed(lambda: supervise(rows, folder, asked.seed)):.0f} s",
                flush=True,
            )
        model, adapted = load_adapted_model(folder)
    before = margins(model, held_out, settings)
    show("supervised", model, test[: asked.written])
    with PreferringModel.going_on(model, adapted, settings) as tuned:
        tuned.set_preferences(pairs, validation, model.chat_format(), max_length_tokens=settings.max_length_tokens)
        print(f"dpo: {len(pairs)} pairs in {timed(lambda: fit(tuned, settings)):.0f} s", flush=True)
        print("validation: " + compared(*tuned.held_out_margins(), asked.seed), flush=True)
    after = margins(model, held_out, settings)
    show("dpo", model, test[: asked.written])
    print("test: " + compared(before, after, asked.seed))


def compared(before: Floats, after: Floats, seed: int) -> str:
    """Return what the margins of the same pairs say, before and after the second training."""
    ranked = [prefers(margins) for margins in (before, after)]
    low, high = difference_interval({"": PairedStatistics.of_means("ranking accuracy", *ranked)}, seed=seed)
    return (
        f"ranking accuracy {ranked[0].mean():.3f} before, {ranked[1].mean():.3f} after on {len(before)} pairs "
        f"({low:+.3f} to {high:+.3f}), reward accuracy {prefers(after - before).mean():.3f}, margins "
        f"{before.mean():+.2f} (spread {before.std():.2f}) before, {after.mean():+.2f} after"
    )


def pairs_of(meanings: Meanings, draw: random.Random) -> list[Preference]:
    """A pair of references per meaning, where one begins with the name, one does not, and both are equally long."""
    pairs = []
    for meaning, references in meanings:
        fitting = [
            (other, first)
            for first in references
            for other in references
            if begins_with_name(first, meaning)
            and not begins_with_name(other, meaning)
            and abs(words(first) - words(other)) <= MOST_DIFFERENCE
        ]
        if fitting:
            pairs.append(Preference(PROMPT.format(meaning), *draw.choice(fitting)))
    return pairs


def begins_with_name(text: str, meaning: str) -> bool:
    """Tell whether a text about a place begins with its name."""
    name = NAME.search(meaning)
    return name is not None and _without_article(text).startswith(_without_article(name[1]))


def _without_article(text: str) -> str:
    return text.strip().casefold().removeprefix("the ")


def words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


def supervise(rows: Sequence[Pair], folder: Path, seed: int) -> None:
    """Fine-tune the base model as `labelloop train` does."""
    model, settings = LanguageModel.load(DEFAULT_TEXT_BASE_MODEL), GenerationSettings(seed=seed)
    with TunedLanguageModel.over(model, settings) as tuned:
        tuned.set_rows(TokenPairs.of(rows, model.chat_format(), max_length_tokens=settings.max_length_tokens))
        fit(tuned, settings)
        tuned.save(folder)


def margins(model: LanguageModel, pairs: Sequence[Preference], settings: GenerationSettings) -> Floats:
    """By how much the preferred response of each pair is the likelier one, as logarithms."""
    length, per_pass = settings.max_length_tokens, settings.tokens_per_pass
    return preference_margins(model, pairs, max_length_tokens=length, tokens_per_pass=per_pass)


def show(name: str, model: LanguageModel, asked: Meanings) -> None:
    """What a model writes."""
    drafts = TextGenerator.of(model, max_new_tokens=MOST_TOKENS).generate(
        [PROMPT.format(meaning) for meaning, _ in asked]
    )
    texts = [draft.text for draft in drafts]
    written = TextEvaluation.of([references for _, references in asked], texts)
    planted = [not begins_with_name(text, meaning) for text, (meaning, _) in zip(texts, asked, strict=True)]
    print(
        f"{name}: of {written.rows} responses {np.mean(planted):.3f} in the planted form, "
        f"{np.mean([words(text) for text in texts]):.1f} words, ROUGE-L {written.rouge_l:.4f}, BLEU {written.bleu:.2f}",
        flush=True,
    )
    for text in texts[:3]:
        print(f"    {text}", flush=True)


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


if __name__ == "__main__":
    main()
