"""A section per benchmark: its title, and what turns figures into text and plots."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import growth, serving, start_up, training
from benchmarks.report.plots import Draw

__all__ = ["SECTIONS", "Section"]

Write = Callable[[Mapping[str, Any]], tuple[str, Sequence[Draw]]]


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark on the page.

    Attributes:
        write: Markdown without the title, and panels of the plot, from a result's figures.
    """

    title: str
    write: Write


SECTIONS: Mapping[str, Section] = {
    "engine": Section("Predictions, in process", serving.engine),
    "predict_http": Section("Predictions, over HTTP", serving.predict_http),
    "beside_training": Section("Predictions while a training runs", serving.beside_training),
    "hot_swap": Section("Promotions under load", serving.hot_swap),
    "accuracy": Section("The served model beside the trained one", serving.accuracy),
    "start_up": Section("Start-up and memory", start_up.start_up),
    "training_time": Section("Training time", training.training_time),
    "growth": Section("Growth", growth.growth),
}
