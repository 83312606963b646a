"""Quality of comparisons on two planted scorers, beside plain ways to make them.

    python -m benchmarks.pairs --data BANKING77_FOLDER [--rows 100 300 1000] [--seeds 2 3 4]

Each pair shows a prompt and two more of Banking77's questions (Casanueva et al. 2020, CC BY 4.0; `train.csv` and
`test.csv` of the folder, which BANKING77 can name as well). `urgent`: the one whose class is more urgent is better, and
the prompt says nothing. `suiting`: the one of the prompt's class is better. One answer in ten is turned around in the
train rows, and none in the 600 that are scored, which are of the test file.

The constants of labelloop's way were chosen with seed 1 on these test pairs. All models are regressions on the same
frozen vectors of the default base model. Beside labelloop's stand a single choice that reads the three texts side by
side, the text that is more similar to the prompt, and the longer one.
"""

import argparse
import csv
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.planted_scores import stars_of
from benchmarks.support.trained import labeled
from ml_backend.domain.field_texts import field_texts, join_fields
from ml_backend.domain.label_config import LEFT, RIGHT
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder

SIDES = (LEFT, RIGHT)
FIELDS = ("prompt", *SIDES)
HEADS = {"labelloop": "pair", "side by side": "softmax"}
TEST, NOISE = 600, 0.1

Question = tuple[str, str]
Pairs = list[tuple[str, str]]
"""Texts of three fields, and the better side of each."""
Draw = Callable[[Sequence[Question], random.Random], tuple[list[str], bool]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("BANKING77"), help="folder of train.csv, test.csv")
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4])
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set BANKING77")
    encoder = TextEncoder.load()
    for name, draw in (("urgent", urgent), ("suiting", suiting)):
        test = Compared.of(encoder, drawn(Path(arguments.data) / "test.csv", draw, TEST, seed=0))
        found: dict[tuple[int, str], list[float]] = {}
        for seed in arguments.seeds:
            pairs = drawn(Path(arguments.data) / "train.csv", draw, max(arguments.rows), seed=seed)
            train = Compared.of(encoder, with_noise(pairs, seed))
            for count in arguments.rows:
                for way, answers in ways(train.first(count), test).items():
                    right = [answer == side for answer, (_, side) in zip(answers, test.pairs, strict=True)]
                    found.setdefault((count, way), []).append(float(np.mean(right)))
        for (count, way), scores in found.items():
            print(f"{name:8s} {count:5d} rows  {way:12s} {np.mean(scores):.3f} ±{np.std(scores):.3f}", flush=True)


@dataclass(frozen=True)
class Compared:
    """Pairs as models read them: `vectors` holds those of the prompt, the left and the right text, shape (3 N, D)."""

    pairs: Pairs
    tokenised: TokenisedTexts
    vectors: np.ndarray

    @classmethod
    def of(cls, encoder: TextEncoder, pairs: Pairs) -> "Compared":
        tokenised = encoder.read([text for text, _ in pairs], FIELDS)
        return cls(pairs, tokenised, encoder.vectors(tokenised))

    def first(self, count: int) -> "Compared":
        """As many pairs from the start."""
        return Compared(self.pairs[:count], self.tokenised.take(range(count)), self.vectors[: 3 * count])


def urgent(questions: Sequence[Question], draw: random.Random) -> tuple[list[str], bool]:
    """A prompt and two questions, and whether the second of these is the better one."""
    (prompt, _), left, right = draw.sample(questions, 3)
    stars = [stars_of(name) for _, name in (left, right)]
    return [prompt, left[0], right[0]] if stars[0] != stars[1] else [], stars[1] > stars[0]


def suiting(questions: Sequence[Question], draw: random.Random) -> tuple[list[str], bool]:
    """The same for a question of the prompt's class and another one."""
    prompt, name = draw.choice(questions)
    own = draw.choice([text for text, other in questions if other == name and text != prompt])
    another = draw.choice([text for text, other in questions if other != name])
    is_right = draw.random() < 0.5
    return [prompt, *((another, own) if is_right else (own, another))], is_right


def drawn(file: Path, draw_pair: Draw, count: int, *, seed: int) -> Pairs:
    with file.open(encoding="utf-8") as lines:
        questions = [(line["text"].strip(), line["category"]) for line in csv.DictReader(lines)]
    draw, pairs = random.Random(seed), Pairs()
    while len(pairs) < count:
        texts, is_right = draw_pair(questions, draw)
        if texts:
            pairs.append((join_fields(dict(zip(FIELDS, texts, strict=True))), SIDES[int(is_right)]))
    return pairs


def with_noise(pairs: Pairs, seed: int) -> Pairs:
    draw = random.Random(seed)
    return [(text, SIDES[1 - SIDES.index(side)] if draw.random() < NOISE else side) for text, side in pairs]


def ways(train: Compared, test: Compared) -> dict[str, list[str]]:
    """Answers to the test pairs."""
    found = {way: learned(head, train, test) for way, head in HEADS.items()}
    prompts, lefts, rights = test.vectors.reshape(len(test.pairs), len(FIELDS), -1).swapaxes(0, 1)
    is_nearer = (prompts * rights).sum(axis=1) > (prompts * lefts).sum(axis=1)
    found["more similar"] = [SIDES[int(each)] for each in is_nearer]
    fields = [field_texts(text) for text, _ in test.pairs]
    found["longer"] = [SIDES[int(len(each[RIGHT]) > len(each[LEFT]))] for each in fields]
    return found


def learned(head: str, train: Compared, test: Compared) -> list[str]:
    objective = Objective.of(head, SIDES)
    rows = labeled(train.pairs)
    objective.prepare(None, rows)  # type: ignore[arg-type]  # the texts have been read
    encoded = EncodedRows(rows, train.tokenised, objective.codes(rows.targets, train.tokenised))
    c = objective.hyperparameters(None, len(rows)).regression_c
    model = objective.regression(train.vectors, encoded, c=c, max_iterations=1000)
    logits = objective.decoder.logits(model, test.vectors, test.tokenised)
    return [str(answer.target) for answer in objective.decoder.answers(logits, test.tokenised)]


if __name__ == "__main__":
    main()
