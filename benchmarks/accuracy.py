"""Whether serving answers as the trained version does: accuracy on the official test file, by runtime.

The reference is the version's model in fp32 by torch alone, nothing of serving in between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.support.bench import Bench, Skipped
from benchmarks.support.predictors import EAGER, RUNTIMES, predictor

__all__ = ["measure"]

QUICK_TEXTS = 400


def measure(bench: Bench) -> Mapping[str, Any]:
    """Accuracy, difference in points and agreement of every runtime."""
    test = bench.dataset.test
    if not test:
        raise Skipped("it needs an official test file; give --data with the folder of Banking77")
    step = max(1, len(test) // QUICK_TEXTS) if bench.is_quick else 1
    texts, labels = zip(*test[::step], strict=True)
    answers = {}
    for name in (EAGER, *RUNTIMES):
        with predictor(name, bench.home, bench.pool) as process:
            answers[name] = process.targets(texts)
    wanted = _accuracy(answers[EAGER], labels)
    return {
        "texts": bench.dataset.name,
        "rows": len(texts),
        "ways": [
            {
                "runtime": name,
                "accuracy": round(_accuracy(given, labels), 5),
                "points": round(100 * (_accuracy(given, labels) - wanted), 3),
                "agreement": round(_accuracy(given, answers[EAGER]), 5),
            }
            for name, given in answers.items()
        ],
    }


def _accuracy(given: Sequence[str | None], wanted: Sequence[str | None]) -> float:
    return sum(mine == right for mine, right in zip(given, wanted, strict=True)) / len(wanted)
