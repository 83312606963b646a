"""How well a score tells texts that fit none of the labels, on Banking77 with classes held out.

    python -m benchmarks.unfit_texts --data BANKING77 --folder FOLDER [--draws 5]

In every draw 20 random classes are held out. LoRA learns the other 57 from the training file, a tenth of their rows as
validation; then every text of the official test file is scored, where texts of the 20 classes are to be found. AUROC is
the chance that one of them scores higher than a text of a known class; FPR is the share of texts of known classes that
score above the point that 95% of the others exceed. Beside the score of the package, in the same run: what it consists
of, the doubt of the model (1 - maximum softmax probability, calibrated; Hendrycks and Gimpel 2017), its
greatest logit and its energy (Liu et al. 2020), and the same score of a regression on the vectors of the base model. At
last, the shares of texts that are said to fit no label, which should be about 5% of those of known classes, and the
groups that they form: the share of texts that are of their group's most frequent class, and how many of the held-out
classes are the most frequent one of a group. Vectors, logits and labels of every draw stay in the folder, so that
scores can be tried without training.
"""

import argparse
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.metrics import roc_auc_score

from benchmarks.support.texts import Pair, read_pairs
from benchmarks.support.trained import labeled, trained
from ml_backend.domain.fit import UNFIT_SHARE
from ml_backend.domain.model import Method
from ml_backend.learning.classification.regression import fit_regression
from ml_backend.learning.classification.settings import Hyperparameters, TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.measuring.novelty import Novelty, gaps_between
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.text.classifier import TextClassifier
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.selection.clusters import Clusters
from ml_backend.workflows.reporting.unfit import MOST_GROUPS, TEXTS_PER_GROUP

CONTROL = "intent"
HELD_OUT = 20
VALIDATION_SHARE = 0.1
SPLITS = ("train", "validation", "test")

Arrays = dict[str, np.ndarray]
"""What a draw consists of, by name."""


def read_draw(data: Path, folder: Path, seed: int) -> Arrays:
    """Features, logits, answers and labels of a draw, by name; where they are not in the folder, train first."""
    file = folder / f"unfit-{seed}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, **_train(data, seed))
    return dict(np.load(file))


def _train(data: Path, seed: int) -> Arrays:
    draw = random.Random(seed)
    train, test = (list(read_pairs(data / name)) for name in ("train.csv", "test.csv"))
    names = sorted({label for _, label in train})
    unknown = set(draw.sample(names, HELD_OUT))
    labels = tuple(name for name in names if name not in unknown)
    known = [pair for name in labels for pair in _shuffled(draw, [row for row in train if row[1] == name])]
    draw.shuffle(known)
    cut = round(VALIDATION_SHARE * len(known))
    rows = {"validation": known[:cut], "train": known[cut:], "test": test}
    described = labeled([(label.replace("_", " "), label) for label in labels])
    learned = TrainingData(CONTROL, "softmax", labels, labeled(rows["train"]), described, labeled(rows["validation"]))
    arrays = {}
    with trained(learned, TrainingSettings(method=Method.LORA, seed=seed)) as (outcome, _):
        model, frozen = TextClassifier.load(read_bundle(outcome.bundle), 0), TextEncoder.load()
        arrays["weight"] = model.head.weight
        arrays["temperature"] = np.array(model.decoder.numbers["temperature"])
        for split in SPLITS:
            texts = [text for text, _ in rows[split]]
            tokenised = model.read(texts)
            vectors = model.encoder.vectors(tokenised)
            logits = model.decoder.logits(model.head, vectors, tokenised)
            answers = model.decoder.answers(logits, tokenised)
            arrays |= {
                f"{split}_tuned": vectors,
                f"{split}_frozen": frozen.embed(texts),
                f"{split}_logits": logits,
                f"{split}_scores": np.array([answer.score for answer in answers]),
                f"{split}_answers": np.array([labels.index(str(answer.target)) for answer in answers]),
                f"{split}_labels": np.array(
                    [-1 if label in unknown else labels.index(label) for _, label in rows[split]]
                ),
            }
    return arrays


def _shuffled(draw: random.Random, rows: list[Pair]) -> list[Pair]:
    return draw.sample(rows, len(rows))


def score_draw(arrays: Arrays) -> dict[str, np.ndarray]:
    """Every score of the test texts; higher means less like anything that is known."""
    logits = arrays["test_logits"].astype(np.float64)
    temperature = float(arrays["temperature"])
    alike = {f"{split}_logits": np.zeros((len(arrays[f"{split}_logits"]), 1)) for split in SPLITS}
    return {
        "novelty": novelty_of(arrays).scores(likeness(arrays, "test")),
        "the same without the greatest logit": novelty_of(arrays | alike).scores(likeness(arrays | alike, "test")),
        "nearest train row alone": -(arrays["test_tuned"] @ arrays["train_tuned"].T).max(axis=1),
        "maximum softmax probability": -softmax(logits / temperature, axis=1).max(axis=1),
        "greatest logit": -logits.max(axis=1),
        "energy": -temperature * logsumexp(logits / temperature, axis=1),
    }


def likeness(arrays: Arrays, split: str) -> np.ndarray:
    """Vectors and greatest logits of texts, as `Novelty` takes them."""
    return np.column_stack([arrays[f"{split}_tuned"], arrays[f"{split}_logits"].max(axis=1)])


def novelty_of(arrays: Arrays) -> Novelty:
    """The score of the package, by the train and validation rows of a draw."""
    rows = arrays["train_tuned"]
    return Novelty(rows, arrays["train_labels"], gaps_between(rows), likeness(arrays, "validation"))


def regression_of(arrays: Arrays) -> Arrays:
    """The same arrays as a regression on the base model's vectors has them."""
    given, labels = Hyperparameters(epochs=0), arrays["train_labels"]
    head = fit_regression(
        arrays["train_frozen"],
        labels,
        np.ones(len(labels)),
        classes=labels.max() + 1,
        c=given.regression_c,
        max_iterations=TrainingSettings().regression_max_iterations,
    )
    frozen = {f"{split}_tuned": arrays[f"{split}_frozen"] for split in SPLITS}
    return arrays | frozen | {f"{split}_logits": head.logits(arrays[f"{split}_frozen"]) for split in SPLITS}


def group(said: np.ndarray, arrays: Arrays, names: np.ndarray) -> tuple[int, float, int]:
    """Group the texts that are said to fit none, as the report does.

    Args:
        said: which test texts these are, shape (N,); `names` are the true classes of all.

    Returns:
        How many groups there are, the share of texts that are of their group's most frequent class, and how many
        held-out classes are the most frequent one of a group.
    """
    count = min(MOST_GROUPS, -(-int(said.sum()) // TEXTS_PER_GROUP))
    clusters = Clusters.of(arrays["test_frozen"][said], count, np.random.default_rng(1))
    groups = [Counter(names[said][clusters.members == number].tolist()) for number in range(count)]
    first = [counter.most_common(1)[0] for counter in groups if counter]
    unknown = set(names[arrays["test_labels"] < 0].tolist())
    return len(first), sum(size for _, size in first) / int(said.sum()), len(unknown & {name for name, _ in first})


def main() -> None:
    """Train what is missing in the folder, then score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--folder", type=Path, required=True, help="where the draws lie, or will")
    parser.add_argument("--draws", type=int, default=5)
    asked = parser.parse_args()
    results: dict[str, list[tuple[float, float]]] = defaultdict(list)
    flagged = []
    names = np.array([label for _, label in read_pairs(asked.data / "test.csv")])
    for seed in range(1, asked.draws + 1):
        arrays = read_draw(asked.data, asked.folder, seed)
        is_unknown = arrays["test_labels"] < 0
        regression = regression_of(arrays)
        of_regression = novelty_of(regression).scores(likeness(regression, "test"))
        for name, scores in (score_draw(arrays) | {"novelty of a regression": of_regression}).items():
            passed = np.quantile(scores[is_unknown], 0.05)
            results[name].append((roc_auc_score(is_unknown, scores), float((scores[~is_unknown] >= passed).mean())))
        said = novelty_of(arrays).p_values(likeness(arrays, "test")) <= UNFIT_SHARE
        flagged.append((said[is_unknown].mean(), said[~is_unknown].mean()))
        print(f"draw {seed}: {int(is_unknown.sum())} of {len(is_unknown)} test texts fit no label", flush=True)
        groups, share, classes = group(said, arrays, names)
        print(f"  {int(said.sum())} said to; {groups} groups, {share:.0%} of their class, {classes} held-out classes")
    found, ordinary = np.mean(flagged, axis=0)
    print(f"said to fit no label: {found:.1%} of those that fit none, {ordinary:.1%} of the others")
    print("| score | AUROC: mean, lowest, highest | FPR at 95% recall |\n| --- | --- | --- |")
    for name, pairs in results.items():
        areas, rates = np.array(pairs).T
        print(f"| {name} | {areas.mean():.4f}, {areas.min():.4f}, {areas.max():.4f} | {rates.mean():.1%} |")


if __name__ == "__main__":
    main()
