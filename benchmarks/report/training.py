"""The section on training time."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.markdown import number, paragraphs, spread_text, table
from benchmarks.report.plots import Draw, points

__all__ = ["training_time"]


def training_time(figures: Mapping[str, Any]) -> tuple[str, Sequence[Draw]]:
    """Quality and seconds of every training, and the speed of a step beside the peer."""
    runs, steps = figures["runs"], figures["steps"]
    rows = (
        (
            run["data"],
            f"{run['rows']:,}",
            str(run["seed"]),
            run["way"],
            number(run["seconds"]),
            f"{run['accuracy']:.4f}",
            f"{run['macro_f1']:.4f}",
        )
        for run in runs
    )
    text = paragraphs(
        "Banking77, trained without a validation split and scored on the official test file. Seconds are those of "
        "the whole training: embedding, the folds that choose and calibrate, the model that is kept, and its files.",
        table(("", "rows", "seed", "way", "seconds", "accuracy", "macro-F1"), rows),
        "A training step beside the peer's (all weights, fp32, 8 rows a step, every text padded to the longest of "
        "1,000), per row, in turns on the same rows:",
        table(("step", "times as fast"), ((step["way"], f"**{spread_text(step['ratio'])}**") for step in steps)),
    )
    names = dict.fromkeys(f"{run['way']}, {run['data']}" for run in runs)
    series = {
        name: [(run["seconds"], run["macro_f1"]) for run in runs if f"{run['way']}, {run['data']}" == name]
        for name in names
    }
    return text, [points(series, "seconds", "macro-F1 on the test file")]
