"""Fine-tuning of the default base model on E2E, from meanings to sentences, beside prompting and beside trl.

    python -m benchmarks.generation --data E2E [--peer-python PYTHON]

`train.csv` and `test.csv` with the columns `mr` and `ref`: several references per meaning. One reference of each is
trained on; BLEU and ROUGE-L are taken against all references of the test meanings. trl, whose SFTTrainer gets the same
adapter, rows and steps, is no dependency of the project: give the interpreter of an environment that has it beside the
project's own packages. Each training runs on one thread of a separate process, so that seconds of the processor
compare on a machine that others use as well. Drafts, as serving writes them, are timed beside transformers' `generate`
in turns; with OMP_NUM_THREADS=1 on one thread.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.support.figures import in_turns, spread
from benchmarks.support.sft import Recipe, Trained
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.measuring.text_metrics import TextEvaluation
from ml_backend.models.base.adapters import load_adapter
from ml_backend.models.base.base_model import BaseModelFiles
from ml_backend.models.base.packaged import DEFAULT_TEXT_BASE_MODEL
from ml_backend.models.generation.generator import TextGenerator
from ml_backend.models.generation.language_model import LanguageModel
from ml_backend.models.generation.writer_export import export_writer
from ml_backend.models.generation.writer_graph import WriterGraph
from ml_backend.models.generation.writers import base_generator, graph_generator
from ml_backend.models.graphs.fastest import AUTO

__all__ = ["main"]

Meanings = list[tuple[str, tuple[str, ...]]]
"""A meaning, and what people wrote for it."""

PROMPT = "Describe the restaurant in one sentence: {}"
EXAMPLES = 5
RATE_ROWS, RATE_ROUNDS = 32, 3
DRAFT_TOKENS, DRAFT_ROUNDS = 128, 5
MOST_TOKENS = 100
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The layers that labelloop finds by itself in this model."""


def main() -> None:
    """Train, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("E2E"), required="E2E" not in os.environ)
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 300, 547])
    parser.add_argument("--test-meanings", type=int, default=200, help="drawn from the test file")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter of an environment that has trl")
    parser.add_argument("--peer-rows", type=int, nargs="*", default=[100])
    parser.add_argument("--rate-rounds", type=int, default=RATE_ROUNDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draft-rounds", type=int, default=DRAFT_ROUNDS)
    parser.add_argument("--keep", type=Path, help="folder of adapters; the ones that are there are not trained again")
    asked = parser.parse_args()
    train, test = (read_meanings(asked.data / f"{name}.csv") for name in ("train", "test"))
    draw = random.Random(asked.seed)
    pairs = [(PROMPT.format(meaning), draw.choice(references)) for meaning, references in train]
    draw.shuffle(pairs)
    test = draw.sample(test, min(asked.test_meanings, len(test)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        recipe = recipe_of(pairs, asked.seed)
        for way, checkpointing, rates in measured_rates(recipe, asked.peer_python, folder, asked.rate_rounds):
            show_rates(way, checkpointing, rates)
        plain = [PROMPT.format(meaning) for meaning, _ in test]
        show_drafts(plain, asked.draft_rounds, folder)
        base = base_generator(DEFAULT_TEXT_BASE_MODEL, graphs=folder, runtime=AUTO, max_new_tokens=MOST_TOKENS)
        show("base", written(base, plain, test))
        prompts = [with_examples(pairs[:EXAMPLES], meaning) for meaning, _ in test]
        show(f"{EXAMPLES} examples in the prompt", written(base, prompts, test))
        for way, counts in (("labelloop", asked.rows), ("trl", asked.peer_rows)):
            for count in counts:
                out = folder / f"{way}-{count}"
                if not (out / "adapter").is_dir():
                    python = asked.peer_python if way == "trl" else sys.executable
                    show_training(out.name, trained(way, replace(recipe, pairs=pairs[:count], out=str(out)), python))
                show(out.name, written(tuned(out), plain, test))


def read_meanings(file: Path) -> Meanings:
    """Every meaning with its references, in the order of the file."""
    references: dict[str, list[str]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            references.setdefault(row["mr"], []).append(row["ref"])
    return [(meaning, tuple(each)) for meaning, each in references.items()]


def recipe_of(pairs: Sequence[tuple[str, str]], seed: int) -> Recipe:
    """labelloop's defaults, for both ways."""
    settings = GenerationSettings()
    return Recipe(
        base=BaseModelFiles(DEFAULT_TEXT_BASE_MODEL).source,
        pairs=pairs,
        out="",
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.peak_learning_rate,
        rank=settings.lora_r,
        alpha=settings.lora_alpha,
        warmup_fraction=settings.warmup_fraction,
        max_length=settings.max_length_tokens,
        seed=seed,
        targets=TARGETS,
    )


def with_examples(examples: Sequence[tuple[str, str]], meaning: str) -> str:
    """A prompt that shows what is wanted."""
    shown = "\n\n".join(f"{prompt}\n{response}" for prompt, response in examples)
    return f"{shown}\n\n{PROMPT.format(meaning)}"


def trained(way: str, recipe: Recipe, python: str) -> Trained:
    """Train in a separate process."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        recipe.write(Path(file.name))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [python, "-m", "benchmarks.support.sft", way, file.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return Trained(**json.loads(done.stdout.strip().splitlines()[-1]))


def measured_rates(
    recipe: Recipe, peer_python: str, folder: Path, rounds: int
) -> Iterator[tuple[str, bool, list[Trained]]]:
    """Short trainings of all ways in turns."""
    ways = (("labelloop", False), ("trl", True), ("trl", False))
    results: dict[tuple[str, bool], list[Trained]] = {way: [] for way in ways}
    short = replace(recipe, pairs=recipe.pairs[:RATE_ROWS], epochs=1, out=str(folder / "rates"))
    for number in range(rounds):
        for way, checkpointing in ways if number % 2 == 0 else reversed(ways):
            python = peer_python if way == "trl" else sys.executable
            results[way, checkpointing].append(trained(way, replace(short, checkpointing=checkpointing), python))
    for (way, checkpointing), found in results.items():
        if found:
            yield way, checkpointing, found


def tuned(folder: Path) -> TextGenerator:
    """The base model with the adapter in a folder merged, as it serves."""
    model = LanguageModel.load(DEFAULT_TEXT_BASE_MODEL, device="cpu", in_fp32=True)
    model.module = load_adapter(model.module, folder).merge_and_unload(safe_merge=True)
    return graph_generator(export_writer(model, folder / WriterGraph.FOLDER), max_new_tokens=MOST_TOKENS)


def written(generator: TextGenerator, prompts: Sequence[str], test: Meanings) -> TextEvaluation:
    """Compare what a model writes with all references."""
    drafts = generator.generate(prompts, on_rows=show_progress)
    return TextEvaluation.of([references for _, references in test], [draft.text for draft in drafts])


def show_drafts(prompts: Sequence[str], rounds: int, folder: Path) -> None:
    """Tokens per processor second of transformers and of the graph, in turns: one prompt at a time, and eight."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not rounds:
        return
    generator = base_generator(DEFAULT_TEXT_BASE_MODEL, graphs=folder, runtime=AUTO)
    source = BaseModelFiles(DEFAULT_TEXT_BASE_MODEL).source
    tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(source).eval()

    def by_transformers(texts: Sequence[str]) -> None:
        batch = tokenizer([generator.format.text(text) for text in texts], return_tensors="pt", padding=True)
        with torch.inference_mode():
            model.generate(**batch, do_sample=False, max_new_tokens=DRAFT_TOKENS, min_new_tokens=DRAFT_TOKENS)

    def by_graph(texts: Sequence[str]) -> None:
        rows = [generator.format.prompt_ids(text)[0] for text in texts]
        generator.writer.write(rows, most_tokens=DRAFT_TOKENS, longest=None, stop_ids=())

    for count in (1, 8):
        ways = [partial(rate, way, prompts, count) for way in (by_transformers, by_graph)]
        for way in ways:
            way(0)  # warms up
        theirs, ours = in_turns(rounds, *ways)
        ratios = spread([b / a for a, b in zip(theirs, ours, strict=True)], 2)
        print(
            f"{count} at once: transformers {spread(theirs, 1)}, labelloop {spread(ours, 1)} tokens per processor "
            f"second, {ratios} times",
            flush=True,
        )


def rate(way: Callable[[Sequence[str]], None], prompts: Sequence[str], count: int, number: int) -> float:
    """Tokens per second of the processor, for the prompts of a round."""
    texts = [prompts[(number * count + each) % len(prompts)] for each in range(count)]
    began_s = time.process_time()
    way(texts)
    return count * DRAFT_TOKENS / (time.process_time() - began_s)


def show_rates(way: str, checkpointing: bool, rates: Sequence[Trained]) -> None:
    """One line on the short trainings."""
    per_1000 = [each.seconds_per_1000 for each in rates]
    print(
        f"{way}{', activations computed twice' if checkpointing else ''}: {statistics.median(per_1000):.2f} processor "
        f"seconds per 1,000 tokens ({min(per_1000):.2f} to {max(per_1000):.2f}), "
        f"peak {max(each.peak_mib for each in rates):.0f} MiB",
        flush=True,
    )


def show_training(name: str, trained: Trained) -> None:
    """One line on a training."""
    print(
        f"{name}: {trained.tokens} tokens in {trained.seconds:.0f} s ({trained.processor_s:.0f} s of the processor, "
        f"{trained.seconds_per_1000:.2f} per 1,000 tokens), peak {trained.peak_mib:.0f} MiB",
        flush=True,
    )


def show(name: str, found: TextEvaluation) -> None:
    """One line on what was written."""
    print(f"{name}: BLEU {found.bleu:.2f}, ROUGE-L {found.rouge_l:.4f} on {found.rows} meanings", flush=True)


def show_progress(rows: int) -> None:
    """Rows that are written, on one line of the standard error."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{rows} written")


if __name__ == "__main__":
    main()
