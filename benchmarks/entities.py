"""Quality and speed of entities on WNUT17, beside full fine-tuning of the same base model.

    python -m benchmarks.entities --data WNUT17_FOLDER [--seeds 1 2 3] [--methods full lora] [--skip-peer]

The folder holds `train.conll`, `dev.conll` and `test.conll` (Derczynski et al. 2017, CC BY 4.0): a token and its tag a
line, an empty line after each sentence. The environment variable WNUT17 can name it as well. Texts are the tokens with
spaces between; the development file is the validation split. F1 is strict: start, end and type are right.

The peer is the recipe of label-studio-ml's huggingface_ner example on the same weights: all of them trained in fp32, 8
sentences a step, only sentences with an entity, tokens tokenised a second time. Its own learning rate of 1e-3 does not
converge on them, so it gets 2e-4 and 2 epochs. Its answers are read in two ways: its own, which joins neighbouring
entity tokens of one type, and transformers' `aggregation_strategy="first"`, which keeps what stands apart apart.

Tasks per second: the test file in one request, in turns, the median of three after one to warm up.
"""

import argparse
import itertools
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.trained import labeled, trained
from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL, BaseModelFiles
from ml_backend.serving.bundle_predictor import BundlePredictor

PEER_LEARNING_RATE, PEER_EPOCHS, PEER_BATCH, PEER_DECAY = 2e-4, 2, 8, 0.01
SPEED_ROUNDS = 3

Rows = list[tuple[str, Target]]
Answer = Callable[[Sequence[str]], list[Target | None]]


@dataclass(frozen=True, slots=True)
class Way:
    """A trained model: how it answers, by name of the reading, and how long its training took."""

    name: str
    seconds: float
    answers: Mapping[str, Answer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("WNUT17"), help="folder of the three files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--methods", type=Method, nargs="+", default=[Method.FULL], help="default: full")
    parser.add_argument("--skip-peer", action="store_true", help="leave the peer out")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="training settings")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set WNUT17")
    overrides = dict(each.split("=", 1) for each in arguments.set)
    train, validation, test = (read_rows(Path(arguments.data) / f"{name}.conll") for name in ("train", "dev", "test"))
    for seed in arguments.seeds:
        peer = [] if arguments.skip_peer else [peer_trained(train, seed)]
        for way in peer:
            show_quality(way, test, seed)
        for method in arguments.methods:
            settings = TrainingSettings(method=method, seed=seed).with_overrides(overrides)
            with trained(training_data(train, validation), settings) as (outcome, predictor):
                ours = Way(f"labelloop {outcome.method}", outcome.seconds, {"": answers_of(predictor)})
                show_quality(ours, test, seed)
                if peer:
                    show_speed([*peer, ours], [text for text, _ in test])


def read_rows(path: Path) -> Rows:
    """Sentences with their entities."""
    rows: Rows = []
    sentences = itertools.groupby(path.read_text(encoding="utf-8").splitlines(), key=lambda line: bool(line.strip()))
    for is_sentence, lines in sentences:
        if not is_sentence:
            continue
        text, spans = "", []
        for token, tag in (line.split("\t")[:2] for line in lines):
            text = f"{text} {token}" if text else token
            start = len(text) - len(token)
            if tag.startswith("B-"):
                spans.append(Span(start, len(text), tag[2:]))
            elif tag.startswith("I-"):
                spans[-1] = Span(spans[-1].start, len(text), spans[-1].label)
        rows.append((text, tuple(spans)))
    return rows


def training_data(train: Rows, validation: Rows) -> TrainingData:
    """What a training takes."""
    labels = tuple(sorted({span.label for _, target in train for span in spans_in(target)}))
    return TrainingData("entities", "tags", labels, labeled(train), labeled([]), labeled(validation), ())


def spans_in(target: Target) -> list[Span]:
    """The spans of an answer."""
    return [part for part in target if isinstance(part, Span)]


def answers_of(predictor: BundlePredictor) -> Answer:
    """How the bundle answers."""
    return lambda texts: [answer["entities"].target if answer else None for answer in predictor.predict(texts)]


def peer_trained(train: Rows, seed: int) -> Way:
    """The peer's model."""
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        get_linear_schedule_with_warmup,
        pipeline,
    )
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(seed)
    began_s = time.perf_counter()
    source = BaseModelFiles(DEFAULT_BASE_MODEL).source
    tokenizer = AutoTokenizer.from_pretrained(source)
    marked = [(text, spans_in(target)) for text, target in train if target]
    names = ["O", *sorted({f"{prefix}-{span.label}" for _, spans in marked for span in spans for prefix in "BI"})]
    index = {name: k for k, name in enumerate(names)}
    rows = [peer_row(tokenizer, text, spans, index) for text, spans in marked]
    model = AutoModelForTokenClassification.from_pretrained(
        source, num_labels=len(names), id2label=dict(enumerate(names)), label2id=index, dtype=torch.float32
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEER_LEARNING_RATE, weight_decay=PEER_DECAY)
    steps = PEER_EPOCHS * -(-len(rows) // PEER_BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    for batch in peer_batches(rows, tokenizer.pad_token_id, seed):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    seconds = time.perf_counter() - began_s
    model.eval()
    own = pipeline("ner", model=model, tokenizer=tokenizer, device="cpu")
    fair = pipeline("ner", model=model, tokenizer=tokenizer, device="cpu", aggregation_strategy="first")
    return Way(
        "peer",
        seconds,
        {
            "own reading": lambda texts: [joined_by_type(found) for found in own(list(texts))],
            "fair reading": lambda texts: [kept_apart(found) for found in fair(list(texts))],
        },
    )


def peer_row(tokenizer: Any, text: str, spans: Sequence[Span], index: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Token ids and tags; -100 where nothing is learned.

    Pieces between and within entities are tokenised each for themselves, and what comes out is taken for words and
    tokenised again, of which the first token is learned.
    """
    words: list[str] = []
    tags: list[int] = []
    end = 0
    for span in [*sorted(spans), None]:
        between = tokenizer.tokenize(text[end : span.start if span else len(text)])
        words += between
        tags += [index["O"]] * len(between)
        if span:
            within = tokenizer.tokenize(text[span.start : span.end])
            words += within
            tags += [index[f"{'I' if position else 'B'}-{span.label}"] for position in range(len(within))]
            end = span.end
    encoded = tokenizer(words, truncation=True, is_split_into_words=True)
    found = encoded.word_ids()
    firsts = [word is not None and word != before for before, word in itertools.pairwise([None, *found])]
    return encoded["input_ids"], [tags[word] if first else -100 for word, first in zip(found, firsts, strict=True)]


def peer_batches(rows: Sequence[tuple[list[int], list[int]]], pad_id: int, seed: int) -> Iterator[dict[str, Any]]:
    """All rows in random order, once an epoch, every batch padded to its longest row."""
    import torch

    order = list(range(len(rows)))
    shuffle = random.Random(seed).shuffle
    for _ in range(PEER_EPOCHS):
        shuffle(order)
        for start in range(0, len(order), PEER_BATCH):
            part = [rows[i] for i in order[start : start + PEER_BATCH]]
            longest = max(len(ids) for ids, _ in part)
            yield {
                "input_ids": torch.tensor([ids + [pad_id] * (longest - len(ids)) for ids, _ in part]),
                "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in part]),
                "labels": torch.tensor([tags + [-100] * (longest - len(tags)) for _, tags in part]),
            }


def joined_by_type(found: Sequence[Mapping[str, Any]]) -> Target:
    """Spans from the first to the last of neighbouring entity tokens of one type, as the peer makes them."""
    spans = []
    for label, group in itertools.groupby(found, key=lambda token: str(token["entity"])[2:]):
        tokens = list(group)
        spans.append(Span(int(tokens[0]["start"]), int(tokens[-1]["end"]), label))
    return tuple(sorted(set(spans)))


def kept_apart(found: Sequence[Mapping[str, Any]]) -> Target:
    """Spans as transformers puts them together."""
    return tuple(sorted({Span(int(each["start"]), int(each["end"]), str(each["entity_group"])) for each in found}))


def show_quality(way: Way, test: Rows, seed: int) -> None:
    """Figures on the test file, a line per reading."""
    for reading, answer in way.answers.items():
        found = Evaluation.of([target for _, target in test], answer([text for text, _ in test]))
        print(
            f"seed {seed}, {way.name}{f', {reading}' if reading else ''}: strict F1 {found.micro_f1:.4f} (precision "
            f"{found.precision:.3f}, recall {found.recall:.3f}), trained in {way.seconds:.0f} s on {os.cpu_count()} "
            f"cores ({platform.machine()})",
            flush=True,
        )


def show_speed(ways: Sequence[Way], texts: Sequence[str]) -> None:
    """Tasks per second of each way, in turns."""
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(SPEED_ROUNDS + 1):
        for way in ways:
            answer = next(iter(way.answers.values()))
            began_s = time.perf_counter()
            answer(texts)
            rates[way.name].append(len(texts) / (time.perf_counter() - began_s))
    for name, found in rates.items():
        counted = found[1:]
        print(
            f"{name}: {statistics.median(counted):.0f} tasks per second ({min(counted):.0f} to {max(counted):.0f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
