"""How well a score tells texts that fit none of the labels, on Banking77 with classes held out.

    python -m benchmarks.unfit_texts --data BANKING77 --features FOLDER [--draws 5] [--held-out 20] [--per-class 50]

In every draw 20 random classes are held out. LoRA learns the other 57, from 50 rows of each of the training file, a
tenth of them as validation; then the score of each test text is computed, on the official test file, where the texts of
the 20 classes are to be found. AUROC is the chance that one of them scores higher than a text of the other classes; the
false-positive rate is the share of texts of known classes above the score that 95% of the unknown ones exceed.
Features, logits and labels of every draw stay in the folder, so that scores can be tried without training again.
"""

import random
import time
from pathlib import Path

import numpy as np

from benchmarks.support.texts import Pair, read_pairs
from benchmarks.support.trained import labeled, trained
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.text.classifier import TextClassifier
from ml_backend.models.text.torch_encoder import TextEncoder

CONTROL = "intent"
VALIDATION_SHARE = 0.1
SPLITS = ("train", "validation", "test")


def train_draw(folder: Path, file: Path, seed: int, *, held_out: int, per_class: int) -> None:
    """Train on the classes that a draw leaves, and write features, logits and labels of all rows to a file."""
    draw = random.Random(seed)
    train, test = (list(read_pairs(folder / name)) for name in ("train.csv", "test.csv"))
    names = sorted({label for _, label in train})
    unknown = set(draw.sample(names, held_out))
    labels = tuple(name for name in names if name not in unknown)
    known = [pair for name in labels for pair in _sample(draw, [row for row in train if row[1] == name], per_class)]
    draw.shuffle(known)
    cut = round(VALIDATION_SHARE * len(known))
    rows = {"validation": known[:cut], "train": known[cut:], "test": test}
    described = labeled([(label.replace("_", " "), label) for label in labels])
    data = TrainingData(CONTROL, "softmax", labels, labeled(rows["train"]), described, labeled(rows["validation"]))
    began_s = time.process_time()
    arrays = {}
    with trained(data, TrainingSettings(method=Method.LORA, seed=seed)) as (outcome, _):
        print(
            f"draw {seed}: {time.process_time() - began_s:.0f} processor seconds, {dict(outcome.metrics)}", flush=True
        )
        model, frozen = TextClassifier.load(read_bundle(outcome.bundle), 0), TextEncoder.load()
        arrays["weight"] = model.head.weight
        arrays["temperature"] = np.array(model.decoder.numbers["temperature"])
        for split in SPLITS:
            texts = [text for text, _ in rows[split]]
            tokenised = model.read(texts)
            vectors = model.encoder.vectors(tokenised)
            arrays |= {
                f"{split}_tuned": vectors,
                f"{split}_frozen": frozen.embed(texts),
                f"{split}_logits": model.decoder.logits(model.head, vectors, tokenised),
                f"{split}_labels": np.array(
                    [-1 if label in unknown else labels.index(label) for _, label in rows[split]]
                ),
            }
    np.savez(file, **arrays)


def _sample(draw: random.Random, rows: list[Pair], most: int) -> list[Pair]:
    return draw.sample(rows, min(most, len(rows)))


if __name__ == "__main__":
    import sys

    for seed in map(int, sys.argv[2:]):
        train_draw(
            Path("/work/shared/data/banking77"),
            Path(f"/tmp/cert_data/unfit{sys.argv[1]}-{seed}.npz"),
            seed,
            held_out=20,
            per_class=int(sys.argv[1]),
        )
