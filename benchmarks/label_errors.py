"""How well wrong labels are found in Banking77, beside two other ways, and what finding them is worth.

    python -m benchmarks.label_errors --data BANKING77_FOLDER [--noise 0.05 0.1] [--seeds 1 2 3] [--deep]

The folder holds `train.csv` and `test.csv` with columns `text,category` (Casanueva et al. 2020, CC BY 4.0; the
files of PolyAI's task-specific-datasets). The environment variable BANKING77 can name it as well. Labels of the train
file are made wrong: `symmetric` to any other class at random, `confusable` to the class that a regression confuses
the right one with most. The file's own errors count as false alarms.

Ways to find them: labelloop's audit (out of fold, frozen features), `--deep` with LoRA trained anew per fold; TF-IDF
and logistic regression out of fold with cleanlab's default filter, as in its tutorials; and a regression that was
trained on the very rows that it judges.

Then what it is worth: macro-F1 on the official test file of regressions trained on the wrong labels as they are, with
the flagged rows weighted down or excluded, and after people have set right what is wrong in the worst tenth.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.support.banking77 import control_of, read_rows
from ml_backend.arrays import Bools, Floats, Floats2d, Ints
from ml_backend.domain.example import Row
from ml_backend.domain.label_config import Control
from ml_backend.domain.progress import Progress
from ml_backend.learning.classification.regression import fit_regression
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.suspects import Suspicion
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.quality.judges.softmax import SoftmaxJudge
from ml_backend.quality.label_errors import label_errors
from ml_backend.quality.out_of_sample import audit_settings, predict_out_of_sample
from ml_backend.quality.reviewed_texts import ReviewedTexts
from ml_backend.tasks import ServedControl, find_kinds

KINDS = ("symmetric", "confusable")
FOLDS = 5
FIXED_SHARE = 0.1
FINDING = ("flags", "precision", "recall", "F1", "AP", "AUROC", "P@k", "seconds")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What one way says of every label.

    Attributes:
        quality: low is suspect.
    """

    quality: Floats
    is_error: Bools
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """The rows, embedded once.

    Attributes:
        cache: folder where features are found again by the audit.
        embedded_s: seconds that the features of the train rows took.
    """

    rows: Sequence[Row]
    control: Control
    truth: Ints
    features: Floats2d
    test_targets: Sequence[str]
    test_features: Floats2d
    cache: Path
    embedded_s: float

    @property
    def labels(self) -> tuple[str, ...]:
        return self.control.label_values


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How labels are made wrong.

    Attributes:
        confused: per class the one that takes its place where the kind is `confusable`.
    """

    kind: str
    share: float
    confused: Ints

    def wrong_labels(self, truth: Ints, seed: int) -> Ints:
        """The labels with a share of them made wrong."""
        rng = np.random.default_rng(seed)
        given, classes = truth.copy(), truth.max() + 1
        chosen = rng.choice(len(truth), round(self.share * len(truth)), replace=False)
        shift = rng.integers(1, classes, size=len(chosen))
        is_confusable = self.kind == "confusable"
        given[chosen] = self.confused[truth[chosen]] if is_confusable else (truth[chosen] + shift) % classes
        return given


Ways = Mapping[str, Callable[[Bench, Ints], Found]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("BANKING77"), help="folder of the two files")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05, 0.1], help="shares of wrong labels")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the noise")
    parser.add_argument("--deep", action="store_true", help="LoRA per fold as well: a quarter of an hour each")
    parser.add_argument("--skip-peer", action="store_true", help="leave TF-IDF out")
    parser.add_argument("--skip-worth", action="store_true", help="leave the trainings out")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set BANKING77")
    with tempfile.TemporaryDirectory() as folder:
        bench = prepared(Path(arguments.data), Path(folder))
        print(
            f"{len(bench.rows)} rows embedded in {bench.embedded_s:.0f} s on {os.cpu_count()} cores "
            f"({platform.machine()}); seconds below are without it",
            flush=True,
        )
        ways = {"labelloop": audited, "in sample": in_sample}
        ways |= {} if arguments.skip_peer else {"TF-IDF, cleanlab's default": peer}
        ways |= {"labelloop --deep": audited_deep} if arguments.deep else {}
        confused = most_confused(bench) if "confusable" in arguments.kinds else np.zeros(0, dtype=np.int64)
        for kind in arguments.kinds:
            for share in arguments.noise:
                if not share and kind != arguments.kinds[0]:
                    continue  # no noise is the same in every kind
                noise = Noise(kind, share, confused)
                run(bench, noise, ways, arguments.seeds if share else [1], with_worth=not arguments.skip_worth)


def prepared(data: Path, cache: Path) -> Bench:
    """Both files, their features, and the features' place in the cache of the audit."""
    train, test = (read_rows(data / name) for name in ("train.csv", "test.csv"))
    control = control_of(train)
    reviewed = ReviewedTexts.of(train, served(control))
    began = time.perf_counter()
    settings = audit_settings(is_deep=False, seed=1)
    features, (predictions,) = predict_out_of_sample(
        [reviewed],
        replace(settings, folds=2),
        base_model=DEFAULT_BASE_MODEL,
        cache=cache,
        report=unheard,
        judge_of=lambda _: OneRound(),
    )
    embedded_s = time.perf_counter() - began
    test_features = TextEncoder.load().embed([row.text for row in test])
    targets = [str(row.targets["intent"]) for row in test]
    truth = np.asarray(predictions.codes, dtype=np.int64)
    return Bench(train, control, truth, features, targets, test_features, cache, embedded_s)


def unheard(_: Progress) -> None:
    """Progress is not what is measured."""


def most_confused(bench: Bench) -> Ints:
    """Per class the other one that gets the most probability on its rows, out of fold on the right labels."""
    probabilities = predicted_by(bench, bench.truth, deep=False)
    means = np.stack([probabilities[bench.truth == k].mean(axis=0) for k in range(len(bench.labels))])
    np.fill_diagonal(means, -1)
    return np.asarray(means.argmax(axis=1), dtype=np.int64)


def run(bench: Bench, noise: Noise, ways: Ways, seeds: Sequence[int], *, with_worth: bool) -> None:
    """Print the tables of one kind and share of noise: means over the seeds."""
    finding: dict[str, list[list[float]]] = {name: [] for name in ways}
    worth: dict[str, list[float]] = {}
    for seed in seeds:
        given = noise.wrong_labels(bench.truth, seed)
        is_wrong = given != bench.truth
        for name, way in ways.items():
            found = way(bench, given)
            if noise.share:
                finding[name].append(figures(found, is_wrong))
            if name == "labelloop" and with_worth:
                for what, macro_f1 in trained(bench, given, found):
                    worth.setdefault(what, []).append(macro_f1)
    print(f"\n{noise.kind} {noise.share:.0%}, means over {len(seeds)} seeds\n")
    if noise.share:
        print(f"| | {' | '.join(FINDING)} |\n|{' --- |' * (len(FINDING) + 1)}")
    for name, measured in finding.items() if noise.share else ():
        means = [statistics.mean(values) for values in zip(*measured, strict=True)]
        cells = [f"{means[0]:.0f}", *(f"{value:.3f}" for value in means[1:-1]), f"{means[-1]:.0f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    if worth:
        print("\n| trained on | macro-F1 on test | from | to |\n| --- | --- | --- | --- |")
        for what, scores in worth.items():
            print(f"| {what} | {statistics.mean(scores):.4f} | {min(scores):.4f} | {max(scores):.4f} |", flush=True)


def audited(bench: Bench, given: Ints) -> Found:
    """As `labelloop audit` does it."""
    return timed(given, lambda: predicted_by(bench, given, deep=False))


def audited_deep(bench: Bench, given: Ints) -> Found:
    """As `labelloop audit --deep` does it."""
    return timed(given, lambda: predicted_by(bench, given, deep=True))


def in_sample(bench: Bench, given: Ints) -> Found:
    """The same engine, given what a regression says of the rows that it was trained on."""

    def probabilities() -> Floats2d:
        head = regression(
            bench.features,
            given,
            np.ones(len(given)),
            len(bench.labels),
            c=audit_settings(is_deep=False, seed=1).regression_c,
        )
        return softmax(head(bench.features))

    return timed(given, probabilities)


def timed(given: Ints, probabilities: Callable[[], Floats2d]) -> Found:
    """What labelloop's engine finds with these probabilities."""
    began = time.perf_counter()
    found = label_errors(given, probabilities())
    return Found(found.quality, found.is_error, time.perf_counter() - began)


def predicted_by(bench: Bench, given: Ints, *, deep: bool) -> Floats2d:
    """Out-of-fold probabilities as the audit makes them; its cache gives the features."""
    right = ReviewedTexts.of(bench.rows, served(bench.control))
    reviewed = replace(right, targets=tuple(bench.labels[k] for k in given))
    _, (predictions,) = predict_out_of_sample(
        [reviewed],
        audit_settings(is_deep=deep, seed=1),
        base_model=DEFAULT_BASE_MODEL,
        cache=bench.cache,
        report=unheard,
    )
    return np.asarray(predictions.probabilities, dtype=np.float32)


def served(control: Control) -> ServedControl:
    """The control as a single choice."""
    return ServedControl(control, find_kinds()["classification"])


class OneRound(SoftmaxJudge):
    """Believes all labels alike, where features and codes alone are of interest."""

    weighs_labels = False


def peer(bench: Bench, given: Ints) -> Found:
    """TF-IDF and logistic regression in 5 folds, cleanlab's default filter, its default score."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    began = time.perf_counter()
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=1)
    texts = [row.text for row in bench.rows]
    probabilities = cross_val_predict(model, texts, given, cv=folds, method="predict_proba")
    is_error = np.asarray(find_label_issues(given, probabilities, n_jobs=1))
    quality = np.asarray(get_label_quality_scores(given, probabilities))
    return Found(quality, is_error, time.perf_counter() - began)


def figures(found: Found, is_wrong: Bools) -> list[float]:
    """The figures of `FINDING`."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    hits, flags, wrong = int((found.is_error & is_wrong).sum()), int(found.is_error.sum()), int(is_wrong.sum())
    precision, recall = hits / max(flags, 1), hits / wrong
    worst = np.argsort(found.quality, kind="stable")[:wrong]
    return [
        flags,
        precision,
        recall,
        2 * precision * recall / max(precision + recall, 1e-12),
        float(average_precision_score(is_wrong, -found.quality)),
        float(roc_auc_score(is_wrong, -found.quality)),
        float(is_wrong[worst].mean()),
        found.seconds,
    ]


def trained(bench: Bench, given: Ints, found: Found) -> Iterator[tuple[str, float]]:
    """What was done about the wrong labels, and the macro-F1 of a regression trained after that."""
    ones = np.ones(len(given))
    worst = np.argsort(found.quality, kind="stable")[: round(FIXED_SHARE * len(given))]
    fixed = given.copy()
    fixed[worst] = bench.truth[worst]
    kept = ~found.is_error
    yield "the labels as they are", scored(bench, bench.features, given, ones)
    weights = np.maximum(found.quality, Suspicion.LEAST_WEIGHT)
    yield "rows weighted by their labels' quality", scored(bench, bench.features, given, weights)
    yield "flagged rows excluded", scored(bench, bench.features[kept], given[kept], ones[kept])
    yield f"the worst {FIXED_SHARE:.0%} set right", scored(bench, bench.features, fixed, ones)
    yield "no wrong label", scored(bench, bench.features, bench.truth, ones)


def scored(bench: Bench, features: Floats2d, indices: Ints, weights: Floats) -> float:
    """Macro-F1 on the test file."""
    head = regression(features, indices, weights, len(bench.labels), c=TrainingSettings().regression_c)
    answers = [bench.labels[k] for k in head(bench.test_features).argmax(axis=1)]
    return Evaluation.of(bench.test_targets, answers, bench.labels).macro_f1


def regression(
    features: Floats2d, indices: Ints, weights: Floats, classes: int, *, c: float
) -> Callable[[Floats2d], Floats2d]:
    """Logits by features."""
    iterations = TrainingSettings().regression_max_iterations
    return fit_regression(features, indices, weights, classes=classes, c=c, max_iterations=iterations).logits


def softmax(logits: Floats2d) -> Floats2d:
    """Probabilities, rows summing to 1."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    main()
