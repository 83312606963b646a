"""Whole fine-tunings of small decoders that never saw a word before."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.domain.model import Method
from ml_backend.domain.progress import Progress, ProgressCallback
from ml_backend.errors import BundleError, TrainingError
from ml_backend.learning.generation.bench import FineTuning
from ml_backend.learning.generation.data import Pair
from ml_backend.learning.generation.fine_tune import fine_tune
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.learning.loop.checkpoints import Checkpoints
from ml_backend.learning.part import PartContext
from ml_backend.measuring.text_metrics import TextEvaluation
from ml_backend.models.generation.generator import TextGenerator
from ml_backend.models.generation.tuned_model import load_tuned_model
from tests.bank_questions import PAIRS, save_base
from tests.unit.learning.builders import fake_run

LORA = GenerationSettings(
    train_embeddings=True, epochs=60, learning_rate=1e-2, batch_size=10, max_new_tokens=40, max_length_tokens=128
)
FULL = replace(LORA, method=Method.FULL, train_embeddings=False, learning_rate=3e-3, patience_epochs=5)


def tune(
    base_model: str,
    folder: Path,
    settings: GenerationSettings,
    *,
    holdout: Sequence[Pair] = (),
    report: ProgressCallback = lambda _: None,
    checkpoints: Checkpoints | None = None,
) -> FineTuning:
    kept = checkpoints or Checkpoints(folder.with_name(f"{folder.name}-checkpoints"), {})
    return fine_tune(base_model, PAIRS, holdout, settings, PartContext(fake_run(folder.parent), report, kept, folder))


def written(folder: Path) -> list[str]:
    drafts = TextGenerator.of(load_tuned_model(folder), max_new_tokens=40).generate([pair.prompt for pair in PAIRS])
    assert all(draft.is_complete for draft in drafts)
    return [draft.text for draft in drafts]


@pytest.mark.parametrize(
    ("kind", "settings", "has_chat_template"),
    [("llama", LORA, True), ("qwen2", LORA, False), ("llama", FULL, False)],
    ids=["lora-chat", "lora-plain", "full"],
)
def test_twenty_pairs_are_learned_by_heart_and_written_again_after_reloading(
    kind: str, settings: GenerationSettings, has_chat_template: bool, tmp_path: Path
) -> None:
    name = save_base(tmp_path / "base", kind, has_chat_template=has_chat_template)

    found = tune(name, tmp_path / "tuned", settings, holdout=PAIRS)

    assert found.base.texts is not None
    assert found.base.texts.rouge_l < 0.1
    assert found.tuned.texts is not None
    assert found.tuned.texts.rouge_l > 0.9
    assert written(tmp_path / "tuned") == [sample["tuned"] for sample in found.samples()]
    assert 0 < min(found.confidences) <= max(found.confidences) <= 1
    again = TextEvaluation.of([(pair.response,) for pair in PAIRS], written(tmp_path / "tuned"))
    assert again == found.tuned.texts


@pytest.mark.parametrize("damage", ["{", "{}"])
def test_a_damaged_model_is_refused(damage: str, tmp_path: Path) -> None:
    tune(save_base(tmp_path / "base"), tmp_path / "tuned", replace(LORA, epochs=1))
    (tmp_path / "tuned" / "tuned.json").write_text(damage)

    with pytest.raises(BundleError, match=r"tuned\.json"):
        load_tuned_model(tmp_path / "tuned")


def test_all_that_is_written_is_safetensors_and_json(tmp_path: Path) -> None:
    name = save_base(tmp_path / "base")
    tune(name, tmp_path / "lora", replace(LORA, epochs=1))
    tune(name, tmp_path / "full", replace(FULL, epochs=1))

    files = [path for path in tmp_path.glob("[lf]*/**/*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert not [
        path for path in files if str(tmp_path / "base") in path.read_text(errors="replace") and path.suffix != ".json"
    ]


def test_progress_rises_to_the_end_and_names_the_loss(tmp_path: Path) -> None:
    told: list[Progress] = []
    settings = replace(LORA, epochs=2)

    tune(save_base(tmp_path / "base"), tmp_path / "tuned", settings, holdout=PAIRS[:4], report=told.append)

    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(0.98)
    steps = [progress for progress in told if "loss" in progress.metrics]
    assert [step.message.split(",")[0] for step in steps] == ["epoch 1 of 2"] * 2 + ["epoch 2 of 2"] * 2


def test_an_interrupted_fine_tuning_comes_to_the_same_model(tmp_path: Path) -> None:
    name, settings = save_base(tmp_path / "base"), replace(LORA, epochs=4)
    whole = tune(name, tmp_path / "whole", settings, holdout=PAIRS[:5])
    kept = Checkpoints(tmp_path / "checkpoints", {})

    def stop(progress: Progress) -> None:
        if "epoch 3" in progress.message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(name, tmp_path / "tuned", settings, holdout=PAIRS[:5], report=stop, checkpoints=kept)
    assert not (tmp_path / "tuned").exists()
    told: list[Progress] = []
    found = tune(name, tmp_path / "tuned", settings, holdout=PAIRS[:5], report=told.append, checkpoints=kept)

    assert found == whole
    assert written_weights(tmp_path / "tuned") == written_weights(tmp_path / "whole")
    assert not [progress for progress in told if "epoch 1 of" in progress.message]


def written_weights(folder: Path) -> bytes:
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


def test_general_language_that_was_lost_is_told(tmp_path: Path) -> None:
    found = tune(save_base(tmp_path / "base"), tmp_path / "x", replace(LORA, epochs=10), holdout=PAIRS)

    assert found.forgetting > 1.25
    assert any("general English puzzles the tuned model more" in warning for warning in found.warnings)


def test_no_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no train row has a prompt and a response"):
        fine_tune(
            "anything", [], [], LORA, PartContext(fake_run(tmp_path), print, Checkpoints(tmp_path / "c", {}), tmp_path)
        )
