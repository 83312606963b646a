"""How well a version tells texts that fit no label, of few rows: the demo's tickets, and several labels per text.

    python -m benchmarks.unfit_small [--nlupp FILE] [--draws 3]

Tickets: each of the eight classes is held out in turn; a regression learns 60% of the others' tickets, 15% are
validation rows, and the rest is scored beside all tickets of the held-out class. With NLU++ (banking): in every draw 10
of the 48 labels are held out. A text fits no label where all of its labels are among these, and such texts are never
learned from; of others the held-out labels are taken away. An eighth of folds 0 to 17 are validation rows, folds 18 and
19 are scored beside all texts that fit no label. A regression and LoRA learn each draw. AUROC is as in
`benchmarks.unfit_texts`; then come the shares of texts that the version says fit no label.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.support.trained import labeled, trained
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.example import Target
from ml_backend.domain.fit import UNFIT_SHARE
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.measuring.novelty import Novelty
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.text.classifier import TextClassifier

HELD_OUT_LABELS = 10
TEST_FOLDS = (18, 19)

Rows = Sequence[tuple[str, Target]]


@dataclass(frozen=True)
class Draw:
    """What is learned, and what is scored.

    Attributes:
        head: kind of head that learns it.
        unfit: texts that fit none of the labels.
    """

    head: str
    labels: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    unfit: Sequence[str]


def ticket_draw(held_out: str) -> Draw:
    """The tickets without one class."""
    pairs = [(ticket.text, ticket.label) for ticket in load_tickets()]
    known = random.Random(held_out).sample(pairs, len(pairs))
    known = [pair for pair in known if pair[1] != held_out]
    first, second = round(0.6 * len(known)), round(0.75 * len(known))
    labels = tuple(sorted({label for _, label in known}))
    unfit = [text for text, label in pairs if label == held_out]
    return Draw("softmax", labels, known[:first], known[first:second], known[second:], unfit)


def nlupp_draw(file: Path, seed: int) -> Draw:
    """NLU++ without some of its labels."""
    draw = random.Random(seed)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    names = sorted({label for row in rows for label in row["intents"]})
    unknown = set(draw.sample(names, HELD_OUT_LABELS))
    unfit = [row for row in rows if row["intents"] and unknown.issuperset(row["intents"])]
    others = [row for row in rows if row not in unfit]
    learned = [row for row in others if row["fold"] not in TEST_FOLDS]
    draw.shuffle(learned)

    def pairs(some: Sequence[dict]) -> Rows:
        return [(row["text"], tuple(sorted(set(row["intents"]) - unknown))) for row in some]

    cut = len(learned) // 8
    return Draw(
        "sigmoid",
        tuple(name for name in names if name not in unknown),
        pairs(learned[cut:]),
        pairs(learned[:cut]),
        pairs([row for row in others if row["fold"] in TEST_FOLDS]),
        [row["text"] for row in unfit],
    )


def measure(draw: Draw, method: Method, seed: int) -> tuple[float, float, float]:
    """AUROC, and the shares of texts that fit none and of others that are said to fit none."""
    data = TrainingData("label", draw.head, draw.labels, labeled(draw.train), labeled([]), labeled(draw.validation))
    with trained(data, TrainingSettings(method=method, seed=seed)) as (outcome, _):
        bundle = read_bundle(outcome.bundle)
        known, model = bundle.known_texts(0), TextClassifier.load(bundle, 0)
        novelty = Novelty(known.vectors, known.codes, known.gaps, known.held_out)
        _, likeness = model.answers_and_likeness([*draw.unfit, *(text for text, _ in draw.test)])
    is_unfit = np.arange(len(likeness)) < len(draw.unfit)
    said = novelty.p_values(likeness) <= UNFIT_SHARE
    return roc_auc_score(is_unfit, novelty.scores(likeness)), said[is_unfit].mean(), said[~is_unfit].mean()


def main() -> None:
    """Train and score every draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nlupp", type=Path, help="the JSONL file")
    parser.add_argument("--draws", type=int, default=3, help="of NLU++")
    asked = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for label in sorted({ticket.label for ticket in load_tickets()}):
        found["tickets, regression"].append(measure(ticket_draw(label), Method.REGRESSION, 1))
        print(f"tickets without {label}: {found['tickets, regression'][-1]}", flush=True)
    for seed in range(1, asked.draws + 1 if asked.nlupp else 1):
        for method in (Method.REGRESSION, Method.LORA):
            found[f"NLU++, {method}"].append(measure(nlupp_draw(asked.nlupp, seed), method, seed))
            print(f"NLU++, {method}, draw {seed}: {found[f'NLU++, {method}'][-1]}", flush=True)
    print(
        "| rows | AUROC: mean, lowest, highest | said of texts that fit none | of others |\n| --- | --- | --- | --- |"
    )
    for name, each in found.items():
        areas, unfit, others = np.array(each).T
        area = f"{areas.mean():.3f}, {areas.min():.3f}, {areas.max():.3f}"
        print(f"| {name} | {area} | {unfit.mean():.1%} | {others.mean():.1%} |")


if __name__ == "__main__":
    main()
