"""A trial's score is that of a training, on rows that are never test."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.domain.model import Method
from ml_backend.domain.progress import Progress
from ml_backend.errors import TrainingError
from ml_backend.learning.classification.candidates import HeadTraining
from ml_backend.learning.classification.scorer import SettingsScorer
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.loop.checkpoints import Checkpoints
from ml_backend.learning.part import PartContext
from ml_backend.learning.rows.data import TrainingData
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import FAST, LINEAR_HEADS, fake_run, keyword_data, linear_data

VALIDATED = replace(FAST, least_validation_rows=10)


def scored(
    encoder: TextEncoder, data: TrainingData, settings: TrainingSettings, folder: Path
) -> tuple[float, list[tuple[float, float]], str]:
    """The score, what was told on the way, and on which rows."""
    told: list[tuple[float, float]] = []
    scorer = SettingsScorer(encoder, data, settings)
    answers = scorer.answers(
        settings,
        run=fake_run(folder),
        report=Progress.ignore,
        on_score=lambda share, score: told.append((share, score)),
    )
    assert len(answers) == len(scorer.held_out)
    return scorer.score(answers), told, f"{len(answers)} {scorer.where}"


@pytest.mark.parametrize("method", [Method.LORA, Method.REGRESSION])
@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_it_is_what_a_training_with_the_same_settings_reaches_on_the_validation_rows(
    encoder: TextEncoder, tmp_path: Path, head: str, method: Method
) -> None:
    data, settings = linear_data(head), replace(VALIDATED, method=method)
    context = PartContext(
        fake_run(tmp_path), Progress.ignore, Checkpoints(tmp_path / "checkpoints", {}), tmp_path / "scratch"
    )
    training = HeadTraining(encoder, data, settings, context)
    trained, _ = training.best()
    evaluation = training.evaluations(trained)[HeadTraining.VALIDATION]

    score, told, where = scored(encoder, data, settings, tmp_path)

    assert score == pytest.approx(training.objective.measure.score(evaluation))
    assert where == "12 validation rows"
    if method is Method.LORA:
        assert [share for share, _ in told] == [0.5, 1.0]
        assert max(each for _, each in told) == pytest.approx(score)


@pytest.mark.parametrize("method", [Method.LORA, Method.REGRESSION])
def test_with_few_validation_rows_train_rows_are_held_out_in_turn(
    encoder: TextEncoder, tmp_path: Path, method: Method
) -> None:
    settings = replace(FAST, method=method, folds=3)

    score, told, where = scored(encoder, keyword_data(8, 4), settings, tmp_path)

    assert where == "16 train rows held out in turn"
    assert [share for share, _ in told] == [0.5], "after the first of the two folds that take no more than training"
    assert 0 < score <= 1


def test_what_a_trial_changes_is_gone_with_it(encoder: TextEncoder, tmp_path: Path) -> None:
    data = keyword_data(8, 8)
    before, *_ = scored(encoder, data, VALIDATED, tmp_path)
    scored(encoder, data, replace(VALIDATED, lora_r=4, adapter_learning_rate=0.05, batch_size=4), tmp_path)

    assert scored(encoder, data, VALIDATED, tmp_path)[0] == before


def test_without_a_row_to_hold_out_nothing_can_be_scored(encoder: TextEncoder) -> None:
    with pytest.raises(TrainingError, match="nothing can be held out to score settings on: review more tasks"):
        SettingsScorer(encoder, keyword_data(1), FAST)
