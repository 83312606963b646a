import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.encoders.bundle import read_bundle
from ml_backend.encoders.classifier import load_classifier
from ml_backend.errors import JobCancelled, TrainingError
from ml_backend.training.data import TrainingData, training_data
from ml_backend.training.progress import Progress
from ml_backend.training.run import TrainingOutcome, train_classifier, verify_bundle
from ml_backend.training.settings import TrainingSettings
from tests.fakes import FakeRun
from tests.tiny_models import save_tiny_model
from tests.unit.training.builders import CONTROL, FACTS, FAST, fake_run, keyword_data, keyword_rows, make_row


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model("bert", tmp_path_factory.mktemp("models") / "bert")


class Trial:
    """Trains into its own folder and keeps what was reported."""

    def __init__(self, folder: Path, base: str) -> None:
        self.out = folder / "jobs" / "bundle"
        self.run: FakeRun = fake_run(folder)
        self.reports: list[Progress] = []
        self._base = base

    def train(
        self,
        data: TrainingData,
        settings: TrainingSettings = FAST,
        *,
        report: Callable[[Progress], None] | None = None,
        on_checkpoint: Callable[[str], None] = lambda _: None,
        base: str | None = None,
    ) -> TrainingOutcome:
        return train_classifier(
            data,
            settings,
            model_version="tickets-1-v1",
            facts=FACTS,
            base_model=base or self._base,
            out=self.out,
            checkpoints=self.out.with_name("checkpoints"),
            on_checkpoint=on_checkpoint,
            report=report or self.reports.append,
            run=self.run,
        )


@pytest.fixture
def trial(tmp_path: Path, base: str) -> Trial:
    return Trial(tmp_path, base)


@pytest.mark.parametrize("method", [Method.REGRESSION, Method.LORA])
def test_a_bundle_says_what_it_is_and_answers_well(trial: Trial, method: Method) -> None:
    data = keyword_data(12, 12)

    outcome = trial.train(data, replace(FAST, method=method))

    bundle = read_bundle(trial.out)
    manifest = bundle.manifest
    assert (outcome.method, outcome.bundle, manifest.method) == (method, trial.out, method)
    assert (manifest.model_version, manifest.facts) == ("tickets-1-v1", FACTS)
    assert manifest.labels == ("card", "cash", "refund")
    assert (bundle.adapter is None) == (method is Method.REGRESSION)
    assert outcome.metrics["accuracy"] > 0.6
    assert outcome.metrics["rows"] == 36
    assert manifest.temperature == outcome.metrics["temperature"]
    assert bundle.was_trained_on([data.train.texts[0], "never seen"]) == [True, False]
    logits = load_classifier(bundle).logits(data.validation.texts)
    accuracy = (logits.argmax(axis=1) == data.validation.indices).mean()
    assert accuracy == pytest.approx(outcome.metrics["accuracy"], abs=0.06)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5"])
def test_decoders_and_encoder_decoders_train_like_encoders(trial: Trial, kind: str, tmp_path: Path) -> None:
    outcome = trial.train(
        keyword_data(6, 10), replace(FAST, method=Method.LORA), base=save_tiny_model(kind, tmp_path / kind)
    )

    assert outcome.method is Method.LORA
    assert read_bundle(trial.out).adapter is not None


def test_without_validation_the_methods_are_compared_on_folds(trial: Trial) -> None:
    outcome = trial.train(keyword_data(8))

    assert "held out in turn" in outcome.reason
    assert outcome.metrics["cross_validation_rows"] == 24
    assert "accuracy" not in outcome.metrics
    assert {"compared_regression_macro_f1", "compared_lora_macro_f1"} <= set(trial.run.metrics)
    better = max(Method.REGRESSION, Method.LORA, key=lambda m: trial.run.metrics[f"compared_{m}_macro_f1"])
    assert outcome.metrics["cross_validation_macro_f1"] == trial.run.metrics[f"compared_{better}_macro_f1"]
    assert outcome.warnings[-1].startswith("24 held-out rows calibrate the confidence scores")


def test_enough_validation_rows_compare_and_pick_the_epoch(trial: Trial) -> None:
    outcome = trial.train(keyword_data(8, 12), replace(FAST, least_validation_rows=36))

    assert "on 36 validation rows" in outcome.reason
    assert not [name for name in outcome.metrics if name.startswith("cross_validation")]
    assert outcome.warnings == ()
    assert len(trial.run.curves["epoch_validation_macro_f1"]) == 2


def test_the_run_holds_parameters_curves_tables_and_figures(trial: Trial) -> None:
    outcome = trial.train(keyword_data(12, 12), replace(FAST, method=Method.LORA))

    run = trial.run
    assert run.params["lora_r"] == 2
    assert (run.params["train_rows"], run.params["validation_rows"], run.params["seed"]) == (36, 36, 1)
    assert run.tags["method"] == "lora"
    assert {"version_torch", "version_peft", "version_labelloop"} <= set(run.tags)
    assert [step for step, _ in run.curves["train_loss"]] == list(range(1, 13))
    assert run.metrics["validation_accuracy"] == outcome.metrics["accuracy"]
    assert run.metrics["peak_memory_mb"] > 100
    assert 0 < run.metrics["trainable_share"] < 0.5
    assert run.metrics["seconds"] == outcome.seconds
    assert [row["label"] for row in run.tables["validation_per_class.json"]] == ["card", "cash", "refund"]
    assert set(run.figures) == {"training_curves.png", "validation_confusion.png", "reliability.png"}


def test_progress_only_rises_and_tells_the_loss(trial: Trial) -> None:
    trial.train(keyword_data(8))

    fractions = [progress.fraction for progress in trial.reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    stages = list(dict.fromkeys(progress.stage for progress in trial.reports))
    assert stages[:3] == ["loading", "embedding", "comparing"]
    assert stages[-2:] == ["saving", "trained"]
    comparing = next(progress for progress in trial.reports if progress.stage == "comparing")
    assert comparing.message.startswith("fold 1 of 2, step 1 of ")
    assert comparing.metrics["loss"] > 0


@pytest.mark.parametrize("stage", ["loading", "embedding", "comparing", "training", "saving"])
def test_cancelling_at_any_stage_passes_through_and_leaves_checkpoints_alone(trial: Trial, stage: str) -> None:
    def report(progress: Progress) -> None:
        if progress.stage == stage:
            raise JobCancelled("job 1 was cancelled")

    settings = replace(FAST, method=Method.LORA)
    with pytest.raises(JobCancelled, match="job 1 was cancelled"):
        trial.train(keyword_data(6), settings, report=report)

    left = list(trial.out.parent.iterdir()) if trial.out.parent.exists() else []
    assert {path.name for path in left} <= {"checkpoints"}
    assert list(trial.out.parent.rglob(".unfinished*")) == []


def test_the_same_seed_gives_the_same_model(tmp_path: Path, base: str) -> None:
    settings = replace(FAST, method=Method.LORA, lora_dropout=0.1)
    heads = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        trial = Trial(tmp_path / folder, base)
        trial.train(keyword_data(6, 10), replace(settings, seed=seed))
        heads.append(load_classifier(trial.out).logits(["my card", "cash please"]))

    np.testing.assert_array_equal(heads[0], heads[1])
    assert np.abs(heads[0] - heads[2]).max() > 1e-5


def test_a_diverging_training_says_what_to_lower(trial: Trial) -> None:
    settings = replace(FAST, method=Method.LORA, adapter_learning_rate=1e30, clip_norm=1e30, epochs=20)

    with pytest.raises(TrainingError, match=r"the loss is .* wanted a finite number\. Lower adapter_learning_rate"):
        trial.train(keyword_data(6, 10), settings)

    assert not trial.out.exists()


def test_one_row_in_a_class_and_none_in_another_train(trial: Trial) -> None:
    rows = [*keyword_rows(6, classes=["card"]), make_row(50, "cash money", "cash")]

    outcome = trial.train(training_data(rows, [], CONTROL))

    assert read_bundle(trial.out).manifest.labels == ("card", "cash", "refund")
    assert outcome.warnings[0].startswith("no train row is labeled refund")
    assert outcome.warnings[1].startswith("under 5 train rows each for cash (1)")


def test_two_rows_of_two_classes_train_the_regression(trial: Trial) -> None:
    data = training_data([make_row(1, "card", "card"), make_row(2, "cash", "cash")], [], CONTROL)

    outcome = trial.train(data)

    assert outcome.method is Method.REGRESSION
    assert "every class has one row only" in outcome.reason
    assert outcome.warnings[-1].startswith("0 held-out rows calibrate")
    assert load_classifier(trial.out).logits(["card", "cash"])[:, :2].argmax(axis=1).tolist() == [0, 1]


def test_emoji_and_endless_texts_train(trial: Trial) -> None:
    rows = [*keyword_rows(5), make_row(50, "🙂🙂🙂", "card"), make_row(51, "cash " * 20_000, "cash")]

    trial.train(training_data(rows, [], CONTROL), replace(FAST, method=Method.LORA))

    assert np.isfinite(load_classifier(trial.out).logits(["🙂", "cash " * 20_000])).all()


def test_a_bundle_that_answers_otherwise_is_refused(trial: Trial) -> None:
    data = keyword_data(8, 10)
    trial.train(data, replace(FAST, method=Method.LORA))
    exact = load_classifier(trial.out, use_bf16=False).logits(data.train.texts)

    verify_bundle(trial.out, data.train.texts, exact)
    with pytest.raises(TrainingError, match=r"answers otherwise than the trained model: its logits differ by 0\.5"):
        verify_bundle(trial.out, data.train.texts, exact + np.float32(0.5))
    with pytest.raises(TrainingError, match="differ by nan"):
        verify_bundle(trial.out, data.train.texts, exact * np.float32("nan"))


def test_a_bundle_whose_file_was_altered_is_refused(trial: Trial) -> None:
    data = keyword_data(6, 10)
    trial.train(data, replace(FAST, method=Method.LORA))
    exact = load_classifier(trial.out, use_bf16=False).logits(data.train.texts)
    weights = trial.out / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x80\x3f")

    with pytest.raises(TrainingError, match=r"cannot be read back: .*was changed or damaged"):
        verify_bundle(trial.out, data.train.texts, exact)


def test_settings_are_kept_in_the_bundle(trial: Trial) -> None:
    trial.train(keyword_data(6, 10), replace(FAST, method=Method.REGRESSION, seed=9))

    document = json.loads((trial.out / "bundle.json").read_text())
    assert document["seed"] == 9
    assert document["settings"]["lora_r"] == 2
