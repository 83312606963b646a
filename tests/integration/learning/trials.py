"""Trainings of whole versions in a folder, again and again."""

from pathlib import Path
from typing import Any

from ml_backend.domain.progress import Progress
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.learning.part import VersionSpec
from ml_backend.learning.rows.data import TrainingData
from ml_backend.learning.run import TrainingContext, TrainingOutcome, train_version
from ml_backend.models.bundle.manifest import BundleFacts
from tests.fakes import FakeRun
from tests.trained_parts import FACTS
from tests.unit.learning.builders import FAST, fake_run


class Trial:
    """Trains into a folder and keeps what was reported.

    Args:
        base: of linear heads; `decoder` is the one of written texts.
    """

    def __init__(self, folder: Path, base: str, decoder: str = "", facts: BundleFacts = FACTS) -> None:
        self.folder, self.base, self.decoder, self._facts = folder, base, decoder, facts
        self.out = folder / "jobs" / "bundle"
        self.run: FakeRun = fake_run(folder)
        self.reports: list[Progress] = []

    def train(
        self,
        *parts: TrainingData,
        settings: TrainingSettings = FAST,
        writing: GenerationSettings | None = None,
        out: Path | None = None,
        **context: Any,
    ) -> TrainingOutcome:
        spec = VersionSpec(
            "tickets-1-v1",
            self._facts,
            self.base,
            settings,
            text_base_model=self.decoder,
            writing=writing or GenerationSettings(),
        )
        return train_version(
            parts,
            spec,
            out or self.out,
            TrainingContext(
                **{
                    "run": self.run,
                    "report": self.reports.append,
                    "checkpoints": self.folder / "jobs" / "checkpoints",
                    **context,
                }
            ),
        )
