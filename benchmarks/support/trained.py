"""Models trained as `labelloop train` does, without tracking them."""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ml_backend.domain.example import Target
from ml_backend.domain.progress import Progress
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.part import VersionSpec
from ml_backend.learning.rows.data import LabeledTexts, TrainingData
from ml_backend.learning.run import TrainingContext, TrainingOutcome, train_version
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.models.bundle.manifest import BundleFacts
from ml_backend.models.graphs.store import GraphStore
from ml_backend.serving.bundle_predictor import BundlePredictor

__all__ = ["labeled", "show_progress", "trained"]


class Unrecorded:
    """A run that keeps nothing: tracking is not what is measured here."""

    run_id = "benchmark"

    def log_params(self, params: Mapping[str, Any]) -> None: ...
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...
    def log_tags(self, tags: Mapping[str, str]) -> None: ...
    def log_dataset(self, path: Path, name: str, digest: str, context: str) -> None: ...
    def log_figure(self, figure: Any, file_name: str) -> None: ...
    def log_table(self, rows: Sequence[Mapping[str, Any]], file_name: str) -> None: ...
    def log_folder(self, folder: Path, artifact_path: str) -> None: ...


def labeled(rows: Sequence[tuple[str, Target]]) -> LabeledTexts:
    """Rows of text and answer, all of weight 1."""
    return LabeledTexts(tuple(text for text, _ in rows), tuple(target for _, target in rows), np.ones(len(rows)))


@contextmanager
def trained(
    data: TrainingData, settings: TrainingSettings, graphs: GraphStore | None = None
) -> Iterator[tuple[TrainingOutcome, BundlePredictor]]:
    """What came of a training, and its bundle as torch serves it; with the block the files go.

    Args:
        graphs: with it, the graphs that serve are exported as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        facts = BundleFacts(field="text", label_config="", label_config_fingerprint="", snapshot_id="")
        spec = VersionSpec("benchmark-1-v1", facts, DEFAULT_BASE_MODEL, settings)
        context = TrainingContext(
            run=Unrecorded(), report=show_progress, checkpoints=Path(folder) / "checkpoints", graphs=graphs
        )
        outcome = train_version([data], spec, Path(folder) / "bundle", context)
        yield outcome, BundlePredictor(outcome.bundle)


def show_progress(progress: Progress) -> None:
    """Progress on the standard error, on one line."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{progress.fraction:4.0%} {progress.stage} {progress.message}")
