"""The section on training time."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.markdown import number, paragraphs, spread_text, table
from benchmarks.report.plots import Draw, points

__all__ = ["training_time"]


def training_time(figures: Mapping[str, Any]) -> tuple[str, Sequence[Draw]]:
    """Quality and seconds of every training, and the speed of a step beside the peer."""
    runs, steps, peer = figures["runs"], figures["steps"], figures["peer_whole_file"]
    peer_s_per_row = peer["seconds"] / peer["rows"]
    rows = (
        (
            run["data"],
            f"{run['rows']:,}",
            str(run["seed"]),
            run["way"],
            number(run["seconds"]),
            f"{run['accuracy']:.4f}",
            f"{run['macro_f1']:.4f}",
            "" if run["way"] == "peer" else f"**{number(run['rows'] * peer_s_per_row / run['seconds'])}**",
        )
        for run in runs
    )
    text = paragraphs(
        "Banking77, scored on the official test file. Seconds are those of the whole training: embedding, the model "
        "that is kept, its files, the graphs that serve, and the folds that choose and calibrate, or the tenth held "
        "out that does it in their place. The last column compares them with what as many rows would take the peer in "
        f"{peer['epochs']} epochs, by its seconds per row in the same run. The peer's learning rate is 2e-5.",
        table(("", "rows", "seed", "way", "seconds", "accuracy", "macro-F1", "times as fast as the peer"), rows),
        "A training step beside the peer's (all weights, fp32, 8 rows a step, every text padded to the longest of "
        "1,000), per row, in turns on the same rows:",
        table(("step", "times as fast"), ((step["way"], f"**{spread_text(step['ratio'])}**") for step in steps)),
        f"The {peer['rows']:,} rows of the whole file would take the peer {number(peer['seconds'])} s by its seconds "
        "per row; it was not trained on them.",
    )
    names = dict.fromkeys(f"{run['way']}, {run['data']}" for run in runs)
    series = {
        name: [(run["seconds"], run["macro_f1"]) for run in runs if f"{run['way']}, {run['data']}" == name]
        for name in names
    }
    return text, [points(series, "seconds", "macro-F1 on the test file")]
