"""Trainings that go on from what another one left behind."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.domain.progress import Progress
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.learning.run import TrainingOutcome
from ml_backend.models.bundle.bundle import read_bundle
from tests.integration.learning.trials import Trial
from tests.unit.learning.builders import FAST, keyword_data, topic_data

FOLDS = ([keyword_data(8)], replace(FAST, epochs=4, lora_dropout=0.2))
EARLY_STOPPING = (
    [keyword_data(8, 12)],
    replace(FAST, method=Method.LORA, least_validation_rows=36, epochs=6, adapter_learning_rate=2e-2),
)
FULL = (
    [topic_data("tags", 24, 36)],
    replace(FAST, method=Method.FULL, least_validation_rows=36, epochs=5, full_learning_rate=5e-3),
)
SEVERAL = (
    [keyword_data(6), topic_data("sigmoid", 16), topic_data("tags", 16)],
    replace(FAST, epochs=2, full_learning_rate=5e-3),
)


class Killed(Exception):
    """Stands for the death of the process: nothing catches it."""


class Attempts:
    """Trains again and again in one folder, each time until it is killed or done."""

    def __init__(self, folder: Path, base: str, parts: Sequence[TrainingData], settings: TrainingSettings) -> None:
        self._trial = Trial(folder, base)
        self.run = self._trial.run
        self.saved: list[str] = []
        self.reports: list[Progress] = []
        self._parts, self._settings = parts, settings
        self._number = 0

    def train(self, *, dies: Callable[[], bool] = lambda: False) -> TrainingOutcome:
        self._number += 1
        self.reports = []

        def on_checkpoint(name: str) -> None:
            self.saved.append(name)
            if dies():
                raise Killed

        def report(progress: Progress) -> None:
            self.reports.append(progress)
            if dies():
                raise Killed

        return self._trial.train(
            *self._parts,
            settings=self._settings,
            out=self._trial.folder / f"bundle-{self._number}",
            on_checkpoint=on_checkpoint,
            report=report,
        )

    def die_at(self, moment: int) -> None:
        """One attempt that is killed at this report or checkpoint, counted from 1."""
        seen = 0

        def dies() -> bool:
            nonlocal seen
            seen += 1
            return seen == moment

        with pytest.raises(Killed):
            self.train(dies=dies)


def assert_same(found: TrainingOutcome, wanted: TrainingOutcome) -> None:
    assert found.method == wanted.method
    assert found.metrics == pytest.approx(dict(wanted.metrics), abs=1e-6)
    mine, other = read_bundle(found.bundle), read_bundle(wanted.bundle)
    assert len(mine.manifest.parts) == len(other.manifest.parts)
    for position, (part, same) in enumerate(zip(mine.manifest.parts, other.manifest.parts, strict=True)):
        assert (part.control, part.method) == (same.control, same.method)
        np.testing.assert_allclose(mine.head(position).weight, other.head(position).weight, atol=1e-5)
        assert (mine.adapter(position) is None) == (other.adapter(position) is None)
        assert (mine.weights(position) is None) == (other.weights(position) is None)


@pytest.mark.parametrize(
    "kind", [FOLDS, EARLY_STOPPING, FULL, SEVERAL], ids=["folds", "early stopping", "full", "several controls"]
)
def test_a_training_killed_at_any_moment_ends_as_one_that_was_not(
    tmp_path: Path, base: str, kind: tuple[Sequence[TrainingData], TrainingSettings]
) -> None:
    undisturbed = Attempts(tmp_path / "whole", base, *kind)
    wanted = undisturbed.train()
    moments = len(undisturbed.reports) + len(undisturbed.saved)
    assert moments > 20

    for moment in np.random.default_rng(3).choice(np.arange(2, moments), size=2, replace=False):
        attempts = Attempts(tmp_path / f"killed-{moment}", base, *kind)
        attempts.die_at(int(moment))
        assert_same(attempts.train(), wanted)
        assert attempts.run.figures.keys() == undisturbed.run.figures.keys()


def test_a_training_killed_again_and_again_gets_on(tmp_path: Path, base: str) -> None:
    wanted = Attempts(tmp_path / "whole", base, *FOLDS).train()
    attempts = Attempts(tmp_path / "killed", base, *FOLDS)

    for _ in range(40):
        known = len(attempts.saved)
        try:
            # Killed at the second checkpoint of every attempt.
            outcome = attempts.train(dies=lambda known=known: len(attempts.saved) >= known + 2)
        except Killed:
            continue
        assert_same(outcome, wanted)
        assert len(attempts.saved) == len(set(attempts.saved)), "work was done twice"
        return
    pytest.fail("40 attempts were not enough")


def test_progress_goes_on_where_it_was_and_never_says_that_all_is_to_do_again(tmp_path: Path, base: str) -> None:
    attempts = Attempts(tmp_path, base, *FOLDS)
    with pytest.raises(Killed):
        attempts.train(dies=lambda: attempts.saved[-1:] == ["fold-2"])
    reached = max(report.fraction for report in attempts.reports)

    attempts.train()

    first_step = next(report for report in attempts.reports if report.stage not in ("loading", "embedding"))
    assert first_step.fraction >= reached - 1e-9
    fractions = [report.fraction for report in attempts.reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
