"""Quality of choices and rankings among options that tasks bring along, on planted scorers, beside plain ways.

    python -m benchmarks.options --data BANKING77_FOLDER [--rows 100 300] [--seeds 2 3 4]

Each text shows one of Banking77's questions (Casanueva et al. 2020, CC BY 4.0; `train.csv` and `test.csv` of the
folder, which BANKING77 can name as well) and four others. `suiting`: the only one of the prompt's class is chosen.
`several`: so are all of its class, one to three of them. `urgent`: the four are put in the order of how urgent their
classes are, and the prompt says nothing. One answer in ten of the train rows is drawn by lot; the 400 that are scored,
of the test file, are as planted.

All models are regressions on the same frozen vectors of the default base model. Beside labelloop's stand the options
that are more similar to the prompt, and the longer ones; of several, the first two, as many as there are on average.
"""

import argparse
import csv
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.planted_scores import stars_of
from benchmarks.support.trained import labeled
from ml_backend.domain.example import Target
from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.offered import OPTIONS, join_options, options_in
from ml_backend.learning.objectives.base import Objective
from ml_backend.measuring.measures.base import LabelMeasure
from ml_backend.models.text.torch_encoder import TextEncoder

HEADS = {"suiting": "option", "several": "options", "urgent": "ranking"}
COUNT, MOST_RIGHT, TEST, NOISE = 4, 3, 400, 0.1

Question = tuple[str, str]
Drawn = tuple[str, Target]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("BANKING77"), help="folder of train.csv, test.csv")
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4])
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set BANKING77")
    encoder = TextEncoder.load()
    for name in HEADS:
        test = drawn(Path(arguments.data) / "test.csv", name, TEST, seed=0, noise=0.0)
        for way, key in PLAIN.items():
            figures = scores(name, test, [key(encoder, text, name) for text, _ in test])
            print(f"{name:8s}             {way:12s} {'  NDCG '.join(f'{each:.3f}' for each in figures)}")
        for count in arguments.rows:
            found = []
            for seed in arguments.seeds:
                train = drawn(Path(arguments.data) / "train.csv", name, count, seed=seed, noise=NOISE)
                found.append(scores(name, test, answers(encoder, name, train, [text for text, _ in test])))
            means, spreads = np.mean(found, axis=0), np.std(found, axis=0)
            written = "  NDCG ".join(f"{mean:.3f} ±{spread:.3f}" for mean, spread in zip(means, spreads, strict=True))
            print(f"{name:8s} {count:5d} rows  labelloop    {written}", flush=True)


def drawn(file: Path, name: str, count: int, *, seed: int, noise: float) -> list[Drawn]:
    """Texts with what is right of each; a share of the answers is right about nothing."""
    with file.open(encoding="utf-8") as lines:
        questions = [(line["text"].strip(), line["category"]) for line in csv.DictReader(lines)]
    draw, found = random.Random(seed), list[Drawn]()
    while len(found) < count:
        text, options = one(questions, name, draw)
        by_lot = draw.random() < noise
        if target := right(draw.sample(options, COUNT) if by_lot else options, list(options_in(text)), name):
            found.append((text, target))
    return found


def one(questions: Sequence[Question], name: str, draw: random.Random) -> tuple[str, list[tuple[str, float]]]:
    """A text, and how good each of its options is, in their order."""
    prompt, topic = draw.choice(questions)
    own = [each for each in questions if each[1] == topic and each[0] != prompt]
    count = {"suiting": 1, "several": draw.randint(1, MOST_RIGHT)}.get(name, 0)
    options = draw.sample(own, count) + draw.sample([each for each in questions if each[1] != topic], COUNT - count)
    draw.shuffle(options)
    held = join_options({str(place): text for place, (text, _) in enumerate(options)})
    goodness = [float(stars_of(each) if name == "urgent" else each == topic) for _, each in options]
    return join_fields({"prompt": prompt, OPTIONS: held}), [("", each) for each in goodness]


def right(options: Sequence[tuple[str, float]], ids: Sequence[str], name: str) -> Target | None:
    scores = [each for _, each in options]
    order = sorted(ids, key=lambda each: -scores[int(each)])
    if name == "urgent":
        return tuple(order) if len(set(scores)) == COUNT else None
    chosen = [each for each in ids if scores[int(each)]]
    return order[0] if name == "suiting" else tuple(chosen)


def answers(encoder: TextEncoder, name: str, train: Sequence[Drawn], test: Sequence[str]) -> list[Target]:
    objective, rows = Objective.of(HEADS[name], ()), labeled(list(train))
    objective.prepare(encoder, rows)
    learned = objective.encode(encoder, rows)
    c = objective.hyperparameters(None, len(rows)).regression_c
    model = objective.regression(encoder.vectors(learned.tokenised), learned, c=c, max_iterations=1000)
    tokenised = objective.decoder.tokenise(encoder, test)
    logits = objective.decoder.logits(model, encoder.vectors(tokenised), tokenised)
    return [answer.target for answer in objective.decoder.answers(logits, tokenised)]


def scores(name: str, test: Sequence[Drawn], given: Sequence[Target]) -> list[float]:
    """The figure that versions are compared by, and of orders their NDCG."""
    measure = LabelMeasure.of(HEADS[name])
    found = measure.evaluate([target for _, target in test], list(given))
    summary = found.summary()
    return [measure.score(found), *([summary["ndcg"]] if "ndcg" in summary else [])]


def by(name: str, options: Sequence[str], goodness: Sequence[float]) -> Target:
    order = [each for _, each in sorted(zip(goodness, options, strict=True), key=lambda pair: -pair[0])]
    return {"suiting": order[0], "several": tuple(sorted(order[:2]))}.get(name, tuple(order))


def most_similar(encoder: TextEncoder, text: str, name: str) -> Target:
    options = options_in(text)
    vectors = encoder.embed([text.partition("\x1f")[2].partition("\x1e")[0], *options.values()])
    return by(name, list(options), (vectors[1:] @ vectors[0]).tolist())


def longest(_encoder: TextEncoder, text: str, name: str) -> Target:
    options = options_in(text)
    return by(name, list(options), [float(len(each)) for each in options.values()])


PLAIN: dict[str, Callable[[TextEncoder, str, str], Target]] = {"more similar": most_similar, "longer": longest}


if __name__ == "__main__":
    main()
