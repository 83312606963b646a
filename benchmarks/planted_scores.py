"""Quality of ratings and numbers on two planted scorers, beside plain ways to answer them.

    python -m benchmarks.planted_scores --data BANKING77_FOLDER [--rows 100 300 2000]

`urgency` gives Banking77's questions (Casanueva et al. 2020, CC BY 4.0; `train.csv` and `test.csv` of the folder, which
BANKING77 can name as well) a rating by their class, and moves one in five by a star. `reviews` are put together from
phrases whose weights add up, with noise; their numbers are 20 times the sum. Both are drawn with seed 1.

All models are regressions on the same frozen vectors of the default base model and learn from the same rows; 400 rows
calibrate, 600 are scored. Beside labelloop's stand the likeliest star of the same model, cumulative logits (McCullagh
1980, one logistic regression per threshold), ridge regression rounded to stars, and the median of the train rows.
"""

import argparse
import csv
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.taxonomy import encoded, encoded_texts
from ml_backend.domain.model import ScoredTarget
from ml_backend.learning.objectives.base import Objective
from ml_backend.measuring.measures.base import Measure
from ml_backend.models.text.torch_encoder import TextEncoder

STARS = ("1", "2", "3", "4", "5")
URGENT = (
    (5, "compromised|stolen|lost|not_recognised|swallowed"),
    (4, "declin|failed|blocked|not_working|wrong|twice|reverted|passcode|unable"),
    (3, "pending|arriv|charge|fee|refund|not_received|delivery|cancel"),
    (2, "top_up|transfer|exchange|verify|identity|activate|change|edit"),
)
PHRASES = {
    "the hinge broke after a week": -2.0,
    "far too expensive": -1.2,
    "paint peels off": -1.1,
    "it was a bargain": 1.5,
    "worth every cent": 2.0,
    "solid metal, very well made": 1.8,
    "a beautiful shape": 1.0,
    "the manual makes no sense": -0.8,
    "set up in two minutes": 1.0,
    "cleaning it is a nightmare": -1.3,
    "the battery lasts all day": 1.4,
    "it is slow and loud": -1.2,
    "boots within seconds": 0.9,
    "it looks cheap": -0.7,
    "the courier left it in the rain": -1.0,
    "arrived a day early": 0.8,
    "nobody answers the hotline": -1.5,
    "they replaced it without a fuss": 1.2,
    "warranty claim refused": -1.9,
    "friendly service team": 1.1,
    "it got so hot that I burned my hand": -2.2,
    "smoke came out of it": -2.4,
    "I would buy it again": 1.9,
}
TRAIN, CALIBRATION, TEST = 2000, 400, 600

Rows = list[tuple[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("BANKING77"), help="folder of train.csv, test.csv")
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 300, TRAIN])
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set BANKING77")
    encoder = TextEncoder.load()
    sums = reviews()
    compared = {
        "urgency": (urgency(Path(arguments.data)), True),
        "reviews": ([(text, min(5, max(1, round(value)))) for text, value in sums], True),
        "review numbers": ([(text, round(20 * value)) for text, value in sums], False),
    }
    for name, (rows, is_rating) in compared.items():
        vectors = encoder.embed([text for text, _ in rows])
        numbers = [number for _, number in rows]
        for count in arguments.rows:
            for way, answers in ways(vectors, numbers, count, is_rating=is_rating).items():
                figures = Measure.of("number").evaluate(numbers[-TEST:], answers).summary()
                written = f"agreement {figures['agreement']:.3f}  mean error {figures['mean_absolute_error']:.3f}"
                print(f"{name:14s} {count:5d} rows  {way:10s} {written}  exact {figures['accuracy']:.3f}")


def urgency(folder: Path) -> Rows:
    draw = random.Random(1)
    rows: Rows = []
    for file, count in (("train.csv", TRAIN), ("test.csv", CALIBRATION + TEST)):
        with (folder / file).open(encoding="utf-8") as lines:
            pairs = [(line["text"], line["category"]) for line in csv.DictReader(lines)]
        for text, name in draw.sample(pairs, count):
            rows.append((text, min(5, max(1, stars_of(name) + (draw.choice((-1, 1)) if draw.random() < 0.2 else 0)))))
    return rows


def stars_of(name: str) -> int:
    """How urgent questions of a class of Banking77 are."""
    return next((level for level, words in URGENT if re.search(words, name)), 1)


def reviews() -> Rows:
    draw = random.Random(1)
    rows: Rows = []
    for _ in range(TRAIN + CALIBRATION + TEST):
        chosen = draw.sample(sorted(PHRASES), draw.choice((1, 2, 3, 4)))
        value = 3 + sum(PHRASES[phrase] for phrase in chosen) / len(chosen) ** 0.5 + draw.gauss(0, 0.5)
        rows.append((". ".join(chosen).capitalize() + ".", value))
    return rows


def ways(vectors: np.ndarray, numbers: Sequence[float], count: int, *, is_rating: bool) -> dict[str, list[float]]:
    """Answers to the test rows."""
    from sklearn.linear_model import LogisticRegression, RidgeCV

    train, given, test = vectors[:count], np.array(numbers[:count], dtype=float), vectors[-TEST:]
    answers = _answers("ordinal" if is_rating else "number", vectors, numbers, count)
    found = {"labelloop": [float(str(answer.target)) for answer in answers]}
    ridge = RidgeCV(np.logspace(-2, 3, 11)).fit(train, given).predict(test)
    found["ridge"] = np.clip(np.round(ridge), given.min(), given.max()).tolist()
    if is_rating:
        found["likeliest"] = [float(max(each.scores, key=lambda star: each.scores[star])) for each in answers]  # type: ignore[arg-type]
        above = [
            LogisticRegression(C=10.0, max_iter=200).fit(train, given > k).predict_proba(test)[:, 1]
            for k in range(1, 5)
        ]
        found["cumulative"] = (1 + (np.array(above) > 0.5).sum(axis=0)).tolist()
    else:
        inside = [
            min(each.scores) <= true <= max(each.scores) for each, true in zip(answers, numbers[-TEST:], strict=True)
        ]  # type: ignore[type-var, operator]
        print(f"{np.mean(inside):.1%} of the test rows lie in the 90% interval")
    found["median"] = [float(np.median(given))] * TEST
    return found


def _answers(head: str, vectors: np.ndarray, numbers: Sequence[float], count: int) -> list[ScoredTarget]:
    objective = Objective.of(head, STARS if head == "ordinal" else ())
    targets = list(numbers)
    objective.prepare(None, encoded_texts(targets[:count]))  # type: ignore[arg-type]  # reads no text
    c = objective.hyperparameters(None, count).regression_c
    learned = encoded(objective, targets[:count])
    head_of_all = objective.regression(vectors[:count], learned, c=c, max_iterations=200)
    held_out = slice(-CALIBRATION - TEST, -TEST)
    decoder = objective.calibrated(head_of_all.logits(vectors[held_out]), encoded(objective, targets[held_out]))
    return decoder.answers(head_of_all.logits(vectors[-TEST:]), encoded(objective, targets[-TEST:]).tokenised)


if __name__ == "__main__":
    main()
