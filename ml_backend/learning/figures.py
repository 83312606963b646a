"""Figures of a training run, drawn without a display and without pyplot's global state."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..measuring.calibration import Reliability
from ..measuring.evaluation import Evaluation
from .loop.fit import FitResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_figure", "curves_figure", "reliability_figure"]

NAMED_CLASSES = 40
"""With more classes their names would be too small to read."""
WRITTEN_CELLS = 15


def confusion_figure(evaluation: Evaluation) -> "Figure":
    """Rows per true and predicted class, shaded by the share of the true class."""
    counts = np.array(evaluation.confusion, dtype=np.int64).reshape(len(evaluation.labels), -1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.0, 0.35 * len(counts)), 16.0)
    figure = _figure(side + 1.5, side)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set(title=f"{evaluation.rows} rows, macro-F1 {evaluation.macro_f1:.3f}", xlabel="predicted", ylabel="true")
    if len(counts) <= NAMED_CLASSES:
        names = [label if len(label) <= 30 else label[:29] + "…" for label in evaluation.labels]
        axes.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    if len(counts) <= WRITTEN_CELLS:
        for row, column in np.argwhere(counts):
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=shade)
    figure.colorbar(image, label="share of the true class")
    return figure


def curves_figure(result: FitResult, *, score: str) -> "Figure":
    """Training loss per step and, where there is one, a validation metric per epoch.

    Args:
        score: the metric. A loss is drawn on the scale of the training loss, another one on a scale beside it.
    """
    figure = _figure(7.0, 4.0)
    axes = figure.add_subplot()
    axes.plot(*_columns(result.losses), color="tab:blue", linewidth=1, label="train")
    axes.set(xlabel="step", ylabel="training loss", title="training")
    points = [(each.step, each.metrics[score]) for each in result.results]
    if points and score == "loss":
        axes.plot(*_columns(points), color="tab:orange", marker="o", label="validation")
        axes.legend()
    elif points:
        right = axes.twinx()
        right.plot(*_columns(points), color="tab:orange", marker="o")
        right.set_ylabel(f"validation {score}")
    return figure


def reliability_figure(reliability: Reliability) -> "Figure":
    """Accuracy over confidence, before and after calibration, with 95% intervals; the diagonal is perfect."""
    figure = _figure(5.0, 5.0)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="gray", linestyle=":")
    for scores, name in ((reliability.raw, "raw"), (reliability.scores, "calibrated")):
        bins = replace(reliability, scores=scores).calibration()["bins"]
        accuracy = np.array([each["accuracy"] for each in bins])
        ends = np.array([[each["low"] for each in bins], [each["high"] for each in bins]])
        axes.errorbar(
            [each["confidence"] for each in bins],
            accuracy,
            np.abs(ends - accuracy),
            marker="o",
            capsize=3,
            elinewidth=0.8,
            label=name,
        )
    axes.set(
        xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), title=f"{reliability.rows} held-out rows"
    )
    axes.legend()
    return figure


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
