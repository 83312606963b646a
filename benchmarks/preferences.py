"""Direct preference optimisation of the default language model on E2E, with a preference that was planted.

    python -m benchmarks.preferences --data E2E

`train.csv` and `test.csv` with the columns `mr` and `ref`: several references per meaning, all written by people. Some
are trained on as experts' responses (LoRA, labelloop's defaults). Then, of two references of a meaning, the one with
fewer words is said to be preferred, and the adapter goes on learning from such pairs. Measured before and after on
meanings of the test file: how often the model finds the preferred reference likelier per token, so that its length
alone decides nothing, the mean words of what it writes, and ROUGE-L and BLEU of that against all references.
"""

import argparse
import os
import random
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
from ml_backend.learning.generation.preferring import PreferringModel, preferred_shares
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

MOST_TOKENS = 100
LEAST_DIFFERENCE = 3
"""Words by which the preferred reference is shorter, at least."""


def main() -> None:
    """Train twice, and print what the model prefers and writes before and after the second training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("E2E"), required="E2E" not in os.environ)
    parser.add_argument("--rows", type=int, default=100, help="responses that the supervised adapter learns")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--test-pairs", type=int, default=200)
    parser.add_argument("--written", type=int, default=50, help="test meanings that are answered")
    parser.add_argument("--epochs", type=int, default=2, help="over the pairs")
    parser.add_argument("--learning-rate", type=float, help="of the second training")
    parser.add_argument("--beta", type=float, default=GenerationSettings().beta)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder of the supervised adapter; one that is there is used")
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    train, test = (read_meanings(asked.data / f"{name}.csv") for name in ("train", "test"))
    draw.shuffle(train)
    draw.shuffle(test)
    settings = GenerationSettings(
        method=Method.DPO,
        epochs=asked.epochs,
        learning_rate=asked.learning_rate,
        beta=asked.beta,
        seed=asked.seed,
        max_new_tokens=MOST_TOKENS,
    )
    rows = [Pair(PROMPT.format(meaning), draw.choice(references)) for meaning, references in train[: asked.rows]]
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        if not (folder / "adapter").is_dir():
            print(f"supervised: {len(rows)} responses in {timed(lambda: supervise(rows, folder, asked.seed)):.0f} s")
        model, adapted = load_adapted_model(folder)
    pairs, held_out = pairs_of(train, asked.pairs, draw), pairs_of(test, asked.test_pairs, draw)
    before = shares(model, held_out, settings)
    show("supervised", model, before, test[: asked.written])
    with PreferringModel.going_on(model, adapted, settings) as tuned:
        tuned.set_preferences(pairs, (), model.chat_format(), max_length_tokens=settings.max_length_tokens)
        print(f"dpo: {len(pairs)} pairs in {timed(lambda: fit(tuned, settings)):.0f} s", flush=True)
    after = shares(model, held_out, settings)
    show("dpo", model, after, test[: asked.written])
    paired = {"pairs": PairedStatistics.of_means("preference accuracy", before, after)}
    low, high = difference_interval(paired, seed=asked.seed)
    print(f"difference {after.mean() - before.mean():+.3f} (95% interval {low:+.3f} to {high:+.3f})")


def pairs_of(meanings: Meanings, count: int, draw: random.Random) -> list[Preference]:
    """A pair of references per meaning, where two differ enough in length."""
    pairs = []
    for meaning, references in meanings:
        chosen, rejected = sorted(draw.sample(references, 2), key=words) if len(references) > 1 else ("", "")
        if words(rejected) - words(chosen) >= LEAST_DIFFERENCE:
            pairs.append(Preference(PROMPT.format(meaning), chosen, rejected))
    return pairs[:count]


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


def shares(model: LanguageModel, pairs: Sequence[Preference], settings: GenerationSettings) -> Floats:
    """Per pair 1 where the model prefers what was preferred, 0 where it does not."""
    length, per_pass = settings.max_length_tokens, settings.tokens_per_pass
    return preferred_shares(model, pairs, max_length_tokens=length, tokens_per_pass=per_pass)


def show(name: str, model: LanguageModel, preferred: Floats, test: Meanings) -> None:
    """One line on a model."""
    prompts = [PROMPT.format(meaning) for meaning, _ in test]
    drafts = TextGenerator.of(model, max_new_tokens=MOST_TOKENS).generate(prompts)
    found = TextEvaluation.of([references for _, references in test], [draft.text for draft in drafts])
    length = np.mean([words(draft.text) for draft in drafts])
    print(
        f"{name}: preference accuracy {preferred.mean():.3f} on {len(preferred)} held-out pairs; {length:.1f} words, "
        f"ROUGE-L {found.rouge_l:.4f}, BLEU {found.bleu:.2f} on {found.rows} meanings",
        flush=True,
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


if __name__ == "__main__":
    main()
