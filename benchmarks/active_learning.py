"""How many labels a score costs when a strategy chooses them, beside random choice and small-text's strategies.

    python -m benchmarks.active_learning --banking77 FOLDER [--nlupp FOLDER] [--wnut17 FOLDER]
        [--pools banking77 …] [--strategies margin_diverse …] [--seeds 1 2 3] [--batch 50] [--until 2000]

The pools are the train files of Banking77 (Casanueva et al. 2020), of NLU++ banking (Casanueva et al. 2022, folds 0 to
17) and of WNUT17 (Derczynski et al. 2017), all CC BY 4.0, and `near-duplicates`: a quarter of Banking77's texts, of
which few come many times with edits that change no meaning. Scores are measured on the official test files, folds 18
and 19 of NLU++.

The learner is what labelloop fits first: a regression on the frozen vectors of the default base model, which takes a
second where tuning takes a minute. So these are not the scores of a tuned model; the order of the strategies is what
carries over. It learns anew after every batch, from nothing.

`plain margin` is margin without the check for near duplicates, which all of labelloop's strategies have; random choice
goes without it as well. With small-text installed, its strategies take part by its own code (`small-text: …`).

Printed per strategy: labels at which the target is crossed, on the line between two batches; their ratio to random
choice's; the area under the curve as a mean score, and by how much it is above random choice's, both with 95%
intervals over the seeds; seconds per choice, features and learner not counted.
"""

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.support.curves import Curve, area, crossing, mean_interval
from benchmarks.support.label_pools import POOLS, LabelPool
from ml_backend.arrays import Ints
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.selection.batch import choose
from ml_backend.selection.pool import Pool
from ml_backend.selection.strategies.base import SelectionStrategy

RANDOM, PLAIN_MARGIN = "random", "plain margin"
PEER = "small-text: "
FOLDERS = {"banking77": "banking77", "near-duplicates": "banking77", "nlupp": "nlupp", "wnut17": "wnut17"}

Chooser = Callable[[LabelPool, Pool, Ints, Ints, int], Ints]
"""Positions in a pool, given what a strategy sees, the numbers of its texts and of the labeled ones, and the count."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in dict.fromkeys(FOLDERS.values()):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER")
    parser.add_argument("--pools", nargs="+", choices=[*POOLS])
    parser.add_argument("--strategies", nargs="+", metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--until", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="file for the curves as JSON")
    arguments = parser.parse_args()
    folders = {pool: getattr(arguments, folder) for pool, folder in FOLDERS.items()}
    pools = arguments.pools or [name for name, folder in folders.items() if folder]
    if not pools or any(folders[name] is None for name in pools):
        parser.error("name the folder of each pool's data: --banking77, --nlupp, --wnut17")
    encoder = TextEncoder.load()
    curves: dict[str, dict[str, list[Curve]]] = {}
    for name in pools:
        pool = POOLS[name](folders[name], encoder)
        choosers = _choosers(arguments.strategies)
        print(f"{name}: {len(pool.texts)} texts, {len(pool.labels)} labels, {pool.measure} on {len(pool.test)}")
        curves[name] = {}
        for strategy, chooser in choosers.items():
            runs = [run(pool, chooser, seed, arguments.batch, arguments.until) for seed in arguments.seeds]
            if any(run is None for run in runs):
                continue  # it does not serve this kind
            curves[name][strategy] = [curve for curve, _ in filter(None, runs)]
            seconds = statistics.fmean(each for _, each in filter(None, runs))
            show(strategy, curves[name], pool.target, seconds)
        if arguments.out:
            arguments.out.write_text(json.dumps(curves), encoding="utf-8")


def run(pool: LabelPool, chooser: Chooser, seed: int, batch: int, until: int) -> tuple[Curve, float] | None:
    """The curve of one strategy and its mean seconds per choice; None where it does not serve the pool's kind."""
    from ml_backend.errors import ConfigurationError

    labeled = np.zeros(0, dtype=np.int64)
    curve, seconds, learned = [], [], None
    while len(labeled) + batch <= min(until, len(pool.texts)):
        left = np.setdiff1d(np.arange(len(pool.texts)), labeled)
        seen = pool.pool(left, labeled, learned, seed)
        began_s = time.perf_counter()
        try:
            chosen = chooser(pool, seen, left, labeled, batch)
        except ConfigurationError:
            return None
        seconds.append(time.perf_counter() - began_s)
        labeled = np.concatenate([labeled, left[chosen]])
        learned = pool.learn(labeled)
        curve.append((len(labeled), pool.score(learned)))
    return curve, statistics.fmean(seconds)


def show(strategy: str, curves: dict[str, list[Curve]], target: float, seconds: float) -> None:
    """One line on a strategy."""
    crossings = [crossing(curve, target) for curve in curves[strategy]]
    reached = [each for each in crossings if each is not None]
    labels = f"{statistics.fmean(reached):5.0f}" if len(reached) == len(crossings) else "   no"
    low, mean, high = mean_interval([area(curve) for curve in curves[strategy]])
    line = f"  {strategy:32} labels to {target:.0%}: {labels}"
    if RANDOM in curves:
        others = [crossing(curve, target) for curve in curves[RANDOM]]
        if len(reached) == len(crossings) and None not in others:
            line += f" ({statistics.fmean(reached) / statistics.fmean(filter(None, others)):.2f} of random's)"
        gains = [area(one) - area(other) for one, other in zip(curves[strategy], curves[RANDOM], strict=True)]
        above = mean_interval(gains)
        line += f"; area above random's {above[1]:+.4f} ({above[0]:+.4f} to {above[2]:+.4f})"
    print(f"{line}; area {mean:.4f} ({low:.4f} to {high:.4f}); {seconds:.2f} s a choice", flush=True)


def _choosers(names: Sequence[str] | None) -> dict[str, Chooser]:
    """The strategies by name, random choice first."""
    known: dict[str, Chooser] = {RANDOM: _random, PLAIN_MARGIN: _plain("margin")}
    known |= {name: _ours(name) for name in SelectionStrategy.all() if name != RANDOM}
    known |= _peers()
    if wrong := [name for name in names or () if name not in known]:
        raise SystemExit(f"no strategy {wrong[0]!r}; there are {', '.join(known)}")
    return {name: chooser for name, chooser in known.items() if names is None or name == RANDOM or name in names}


def _random(_pool: LabelPool, seen: Pool, _left: Ints, _labeled: Ints, count: int) -> Ints:
    return seen.rng().permutation(len(seen))[:count]


def _plain(name: str) -> Chooser:
    def chooser(_pool: LabelPool, seen: Pool, _left: Ints, _labeled: Ints, count: int) -> Ints:
        strategy = SelectionStrategy.named(name if seen.answers else RANDOM).suited(seen)
        return strategy.order(seen, count)[:count]

    return chooser


def _ours(name: str) -> Chooser:
    def chooser(pool: LabelPool, seen: Pool, left: Ints, labeled: Ints, count: int) -> Ints:
        chosen = choose(
            seen,
            [pool.texts[i] for i in left],
            SelectionStrategy.named(name),
            count,
            held_out=np.zeros(len(left), dtype=np.bool_),
            random_share=0.0,
            labeled_texts=[pool.texts[i] for i in labeled],
        )
        return np.array([each.position for each in chosen], dtype=np.int64)

    return chooser


def _peers() -> dict[str, Chooser]:
    """small-text's strategies, where it is installed."""
    if importlib.util.find_spec("small_text") is None:
        return {}
    from small_text.query_strategies import BreakingTies, EmbeddingKMeans, GreedyCoreset, PredictionEntropy

    kinds = {kind.__name__: kind for kind in (BreakingTies, PredictionEntropy, EmbeddingKMeans, GreedyCoreset)}
    return {f"{PEER}{name}": _peer(kind) for name, kind in kinds.items()}


def _peer(kind: Callable[[], object]) -> Chooser:
    def chooser(pool: LabelPool, seen: Pool, left: Ints, labeled: Ints, count: int) -> Ints:
        if pool.head != "softmax" or not seen.answers or seen.answers[0].probabilities is None:
            return _random(pool, seen, left, labeled, count)
        chances = np.zeros((len(pool.texts), len(pool.labels)), dtype=np.float64)
        chances[left] = seen.answers[0].probabilities
        chosen = kind().query(_AsClassifier(chances, pool), _Numbers(len(pool.texts)), left, labeled, None, n=count)
        return np.searchsorted(left, chosen)

    return chooser


class _Numbers:
    """A data set of small-text's: texts are their numbers."""

    def __init__(self, numbers: int | Ints) -> None:
        self.numbers = np.arange(numbers) if isinstance(numbers, int) else numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, chosen: Ints) -> "_Numbers":
        return _Numbers(self.numbers[chosen])


class _AsClassifier:
    """A classifier of small-text's whose probabilities and vectors are known."""

    def __init__(self, chances: np.ndarray, pool: LabelPool) -> None:
        self._chances, self._pool = chances, pool

    def predict_proba(self, dataset: _Numbers) -> np.ndarray:
        return self._chances[dataset.numbers]

    def embed(
        self, dataset: _Numbers, *, return_proba: bool = False, **_: object
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        vectors = self._pool.features[dataset.numbers]
        return (vectors, self.predict_proba(dataset)) if return_proba else vectors


if __name__ == "__main__":
    main()
