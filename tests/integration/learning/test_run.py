from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.domain.model import Method
from ml_backend.domain.progress import Progress
from ml_backend.errors import JobCancelled, TrainingError
from ml_backend.learning.classification.part import verify_logits
from ml_backend.learning.part import PartOutcome
from ml_backend.learning.run import verify_bundle
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.bundle.bundle import TrainedPart, read_bundle
from ml_backend.models.text.classifier import TextClassifier
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.serving.bundle_predictor import BundlePredictor
from tests.integration.learning.trials import Trial
from tests.tiny_models import save_tiny_model
from tests.trained_parts import FACTS
from tests.unit.learning.builders import (
    FAST,
    LINEAR_HEADS,
    data_of,
    keyword_data,
    keyword_rows,
    make_row,
    tensors_of,
    topic_data,
    topic_rows,
)


def loaded(trial: Trial) -> TextClassifier:
    """The first part in full precision."""
    return TextClassifier.load(read_bundle(trial.out), 0, use_bf16=False)


def logits_of(trial: Trial, texts: Sequence[str]) -> Floats2d:
    model = loaded(trial)
    return model.logits(model.read(texts))


def test_a_bundle_says_what_it_is_and_answers_well(trial: Trial) -> None:
    data = keyword_data(12, 12)

    outcome = trial.train(data, settings=replace(FAST, method=Method.LORA, seed=9))

    bundle = read_bundle(trial.out)
    manifest = bundle.manifest
    assert (outcome.method, outcome.bundle, manifest.method) == (Method.LORA, trial.out, Method.LORA)
    assert (manifest.model_version, manifest.facts, manifest.seed) == ("tickets-1-v1", FACTS, 9)
    (part,) = manifest.parts
    assert (part.control, part.head, part.method) == ("intent", "softmax", Method.LORA)
    assert (part.decoder.labels, part.settings["lora_r"]) == (("card", "cash", "refund"), 2)
    assert outcome.metrics["accuracy"] > 0.6
    assert outcome.metrics["rows"] == 36
    assert part.decoder.to_json()["temperature"] == outcome.metrics["temperature"]
    assert bundle.was_trained_on([data.train.texts[0], "never seen"]) == [True, False]


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_decoders_and_encoder_decoders_train_like_encoders(trial: Trial, kind: str, tmp_path: Path) -> None:
    trial.base = save_tiny_model(kind, tmp_path / kind)

    outcome = trial.train(keyword_data(6, 10), settings=replace(FAST, method=Method.LORA))

    assert outcome.method is Method.LORA
    assert read_bundle(trial.out).adapter(0) is not None


def test_enough_validation_rows_compare_and_pick_the_epoch(trial: Trial) -> None:
    outcome = trial.train(keyword_data(8, 12), settings=replace(FAST, least_validation_rows=36))

    assert "on 36 validation rows" in outcome.reason
    assert not [name for name in outcome.metrics if name.startswith("cross_validation")]
    assert outcome.warnings == ()
    assert len(trial.run.curves["epoch_validation_macro_f1"]) == 2


def test_the_run_holds_parameters_curves_tables_and_figures(trial: Trial) -> None:
    outcome = trial.train(keyword_data(12, 12), settings=replace(FAST, method=Method.LORA))

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
        trial.train(keyword_data(6), settings=settings, report=report)

    left = list(trial.out.parent.iterdir()) if trial.out.parent.exists() else []
    assert {path.name for path in left} <= {"checkpoints"}
    assert list(trial.out.parent.rglob(".unfinished*")) == []


def test_the_same_seed_gives_the_same_model(tmp_path: Path, base: str) -> None:
    settings = replace(FAST, method=Method.LORA, lora_dropout=0.1)
    heads = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        trial = Trial(tmp_path / folder, base)
        trial.train(keyword_data(6, 10), settings=replace(settings, seed=seed))
        heads.append(logits_of(trial, ["my card", "cash please"]))

    np.testing.assert_array_equal(heads[0], heads[1])
    assert np.abs(heads[0] - heads[2]).max() > 1e-5


def test_one_row_in_a_class_and_none_in_another_train(trial: Trial) -> None:
    rows = [*keyword_rows(6, classes=["card"]), make_row(50, "cash money", "cash")]

    outcome = trial.train(data_of(rows, []))

    assert read_bundle(trial.out).manifest.parts[0].decoder.labels == ("card", "cash", "refund")
    assert outcome.warnings[0].startswith("no train row is labeled refund")
    assert outcome.warnings[1].startswith("under 5 train rows each for cash (1)")


def test_two_rows_of_two_classes_train_the_regression(trial: Trial) -> None:
    data = data_of([make_row(1, "card", "card"), make_row(2, "cash", "cash")], [])

    outcome = trial.train(data)

    assert outcome.method is Method.REGRESSION
    assert "no class has two rows" in outcome.reason
    assert outcome.warnings[-1].startswith("0 held-out rows calibrate")
    assert logits_of(trial, ["card", "cash"])[:, :2].argmax(axis=1).tolist() == [0, 1]


def test_emoji_and_endless_texts_train(trial: Trial) -> None:
    rows = [*keyword_rows(5), make_row(50, "🙂🙂🙂", "card"), make_row(51, "cash " * 20_000, "cash")]

    trial.train(data_of(rows, []), settings=replace(FAST, method=Method.LORA))

    assert np.isfinite(logits_of(trial, ["🙂", "cash " * 20_000])).all()


def as_trained(trial: Trial, texts: Sequence[str], shift: float = 0.0) -> list[PartOutcome]:
    """Return the logits that `verify_bundle` compares with: the bundle's, moved by a little."""
    part = TrainedPart(read_bundle(trial.out).manifest.parts[0], trial.out)
    logits = (logits_of(trial, texts) + np.float32(shift)).astype(np.float32)
    return [PartOutcome(part, {}, None, (), "", partial(verify_logits, texts=tuple(texts), logits=logits))]


def test_a_bundle_that_answers_otherwise_or_was_altered_is_refused(trial: Trial) -> None:
    data = keyword_data(8, 10)
    trial.train(data, settings=replace(FAST, method=Method.LORA))
    exact = as_trained(trial, data.train.texts)

    verify_bundle(trial.out, exact)

    with pytest.raises(TrainingError, match=r"'intent' otherwise than the trained model: its logits differ by 0\.5"):
        verify_bundle(trial.out, as_trained(trial, data.train.texts, 0.5))
    with pytest.raises(TrainingError, match="differ by nan"):
        verify_bundle(trial.out, as_trained(trial, data.train.texts, float("nan")))
    weights = trial.out / "controls" / "0" / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x80\x3f")
    with pytest.raises(TrainingError, match=r"cannot be read back: .*was changed or damaged"):
        verify_bundle(trial.out, exact)


@pytest.mark.parametrize("method", [Method.REGRESSION, Method.LORA, Method.FULL])
@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_every_kind_trains_by_every_method_and_answers_as_it_was_measured(
    trial: Trial, head: str, method: Method
) -> None:
    data = topic_data(head, 60, 40)
    fast = replace(FAST, method=method, epochs=4, adapter_learning_rate=1e-2, full_learning_rate=2e-3)

    outcome = trial.train(data, settings=fast)

    bundle = read_bundle(trial.out)
    assert outcome.method is method
    assert outcome.reason == f"{method} was asked for"
    assert [path.name for path in (bundle.adapter(0), bundle.weights(0)) if path] == {
        Method.REGRESSION: [],
        Method.LORA: ["adapter"],
        Method.FULL: ["weights.safetensors"],
    }[method]
    answers = [answer.target for answer in loaded(trial).answers(data.validation.texts)]
    found = Evaluation.of(data.validation.targets, answers, data.labels)
    # The bundle computes in full precision here, and training in half of it where the processor can.
    assert found.micro_f1 == pytest.approx(outcome.metrics["micro_f1"], abs=0.05)
    assert found.accuracy == pytest.approx(outcome.metrics["accuracy"], abs=0.05)
    assert outcome.metrics["micro_f1"] > 0.6
    assert 0 <= outcome.metrics["expected_calibration_error"] < 0.3


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_with_few_rows_every_kind_compares_its_methods_on_folds(trial: Trial, head: str) -> None:
    outcome = trial.train(topic_data(head, 24))

    figure, compared = "micro" if head == "tags" else "macro", trial.run.metrics
    assert f"is kept: {'strict F1' if head == 'tags' else 'macro-F1'} of regression " in outcome.reason
    assert "train rows held out in turn" in outcome.reason
    assert outcome.metrics["cross_validation_rows"] == (18 if head == "softmax" else 24)
    assert "accuracy" not in outcome.metrics
    kept = outcome.metrics[f"cross_validation_{figure}_f1"]
    assert kept == compared[f"compared_{outcome.method}_{figure}_f1"]
    assert outcome.warnings[-1].startswith(f"{18 if head == 'softmax' else 24} held-out rows calibrate the confidence")


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_full_training_leaves_the_base_model_alone(trial: Trial, base: str, head: str) -> None:
    before = (Path(base) / "model.safetensors").read_bytes()
    again = TextEncoder.load(base)

    trial.train(topic_data(head, 24), settings=replace(FAST, method=Method.FULL, full_learning_rate=5e-3))

    assert (Path(base) / "model.safetensors").read_bytes() == before
    own = loaded(trial).encoder
    moved = [name for name, tensor in tensors_of(own).items() if np.abs(tensor - tensors_of(again)[name]).max() > 1e-4]
    assert moved
    assert not [name for name in moved if "word_embeddings" in name], "word vectors are frozen"


def test_several_controls_become_one_version(trial: Trial) -> None:
    parts = [topic_data(head, 40, 40) for head in LINEAR_HEADS]

    outcome = trial.train(*parts, settings=replace(FAST, method=Method.LORA, epochs=4, adapter_learning_rate=1e-2))

    manifest = read_bundle(trial.out).manifest
    assert [part.control for part in manifest.parts] == ["intent", "topics", "things"]
    assert [part.head for part in manifest.parts] == LINEAR_HEADS
    assert manifest.method is outcome.method is Method.LORA
    prefixes = {name.split(".")[0] for name in outcome.metrics if name != "score"}
    assert prefixes == {"intent", "topics", "things"}
    scores = [outcome.metrics[name] for name in ("intent.macro_f1", "topics.macro_f1", "things.micro_f1")]
    assert outcome.metrics["score"] == pytest.approx(np.mean(scores))
    assert outcome.reason == "; ".join(f"{part.control}: lora was asked for" for part in manifest.parts)
    assert trial.run.params["things.train_rows"] == 40
    assert trial.run.metrics["topics.validation_macro_f1"] == outcome.metrics["topics.macro_f1"]
    assert {"intent.training_curves.png", "things.reliability.png"} <= set(trial.run.figures)
    assert {"topics.validation_per_class.json"} <= set(trial.run.tables)
    texts = [row.input["body"] for row in topic_rows(12, seed=5)]
    answers = BundlePredictor(trial.out).predict(["", *texts])
    assert answers[0] is None
    assert all(set(answer or ()) == {"intent", "topics", "things"} for answer in answers[1:])


def test_each_control_keeps_the_method_that_is_better_for_it(trial: Trial) -> None:
    parts = [topic_data(head, 24, 40) for head in LINEAR_HEADS]

    outcome = trial.train(*parts, settings=replace(FAST, least_validation_rows=30))

    found = read_bundle(trial.out).manifest
    for part, sentence in zip(found.parts, outcome.reason.split("; "), strict=True):
        assert sentence.startswith(f"{part.control}: {part.method} is kept: ")
    assert outcome.method is found.method
    assert (found.method is Method.AUTO) == (len({part.method for part in found.parts}) > 1)
