"""Records of training runs in the tracker."""

import hashlib
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..domain.ports import Run
from ..models.graphs.runtimes.base import GraphRuntime

__all__ = ["ControlRun", "library_versions"]

LIBRARIES = ("numpy", "peft", "scikit-learn", "torch", "transformers")


def library_versions() -> dict[str, str]:
    """Versions of labelloop, Python and the libraries that shape the result."""
    # Features of the frozen base model may come from a runtime for graphs, whose rounding is its own.
    libraries = sorted([*LIBRARIES, GraphRuntime.usual().package])
    return {
        "labelloop": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in libraries},
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
