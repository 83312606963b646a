"""What a training run leaves in the tracker."""

import hashlib
import platform
import re
import resource
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..domain.ports import Run
from ..measuring.evaluation import Evaluation
from .classification.candidates import Choice
from .classification.settings import TrainingSettings
from .figures import confusion_figure
from .rows.data import TrainingData

__all__ = [
    "ControlRun",
    "library_versions",
    "log_choice",
    "log_evaluation",
    "log_libraries",
    "log_start",
    "peak_memory_mb",
]

LIBRARIES = ("numpy", "openvino", "peft", "scikit-learn", "torch", "transformers")


def library_versions() -> dict[str, str]:
    """Versions of labelloop, Python and the libraries that shape the result."""
    return {
        "labelloop": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }


class ControlRun:
    """A run of several controls, as used by one of them: it records everything under the control's name.

    Args:
        control: the control's name. Characters that trackers refuse become dashes, and a digest then keeps it unique.
    """

    def __init__(self, run: Run, control: str) -> None:
        self.run_id = run.run_id
        self._run = run
        plain = re.sub(r"[^\w-]+", "-", control)
        self._prefix = plain if plain == control else f"{plain}-{hashlib.sha256(control.encode()).hexdigest()[:8]}"

    def log_params(self, params: Mapping[str, Any]) -> None:
        self._run.log_params(self._named(params))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._run.log_metrics(self._named(metrics), step=step)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self._run.log_tags(self._named(tags))

    def log_dataset(self, path: Path, name: str, digest: str, context: str) -> None:
        self._run.log_dataset(path, name, digest, context)

    def log_figure(self, figure: Any, file_name: str) -> None:
        self._run.log_figure(figure, f"{self._prefix}.{file_name}")

    def log_table(self, rows: Sequence[Mapping[str, Any]], file_name: str) -> None:
        self._run.log_table(rows, f"{self._prefix}.{file_name}")

    def log_folder(self, folder: Path, artifact_path: str) -> None:
        self._run.log_folder(folder, artifact_path)

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {f"{self._prefix}.{name}": value for name, value in values.items()}


def log_libraries(run: Run) -> None:
    """Versions of what shapes the result."""
    run.log_tags({f"version_{name}": version for name, version in library_versions().items()})


def log_start(run: Run, settings: TrainingSettings, data: TrainingData, *, base_model: str) -> None:
    """Parameters and facts that are known before training."""
    run.log_params(
        {
            **settings.to_json(),
            "base_model": base_model,
            "classes": len(data.labels),
            "train_rows": len(data.train),
            "descriptions": len(data.described),
            "validation_rows": len(data.validation),
        }
    )


def log_evaluation(run: Run, evaluation: Evaluation, name: str) -> None:
    """Metrics under a prefix, the table per class and the confusion matrix."""
    run.log_metrics({f"{name}_{key}": value for key, value in evaluation.summary().items()})
    table = [
        {
            "label": entry.label,
            "precision": round(entry.precision, 4),
            "recall": round(entry.recall, 4),
            "f1": round(entry.f1, 4),
            "support": entry.support,
        }
        for entry in evaluation.per_class
    ]
    run.log_table(table, f"{name}_per_class.json")
    if evaluation.confusion:
        run.log_figure(confusion_figure(evaluation), f"{name}_confusion.png")


def log_choice(run: Run, choice: Choice) -> None:
    """Which method was kept and why, with the metrics of every method that was compared."""
    run.log_tags({"method": choice.method, "method_reason": choice.reason})
    for method, evaluation in choice.evaluations.items():
        run.log_metrics({f"compared_{method}_{name}": value for name, value in evaluation.summary().items()})


def peak_memory_mb() -> float:
    """Most memory that this process has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
