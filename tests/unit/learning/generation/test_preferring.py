import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml_backend.arrays import Floats
from ml_backend.domain.model import Method
from ml_backend.domain.preference import Preference
from ml_backend.errors import TrainingError
from ml_backend.learning.generation.prefer import against_drafts
from ml_backend.learning.generation.preferring import PreferringModel, dpo_losses, preference_margins, prefers
from ml_backend.learning.generation.tuned import TunedLanguageModel
from ml_backend.learning.loop.checkpoints import Checkpoints, EpochCheckpoints
from ml_backend.learning.loop.fit import FitResult, fit
from ml_backend.models.base.adapters import add_adapter
from ml_backend.models.generation.language_model import LanguageModel
from ml_backend.models.generation.tuned_model import load_adapted_model
from tests.unit.learning.builders import Interrupter, Interruption
from tests.unit.learning.generation.builders import FAST, THINGS, tiny

DPO = replace(FAST, method=Method.DPO, epochs=6, learning_rate=2e-2, beta=0.5, patience_epochs=6)
KIND = tuple(Preference(f"My {thing}?", f"Please block the {thing}.", f"Block it, the {thing}!") for thing in THINGS)


def model_with_adapter() -> tuple[LanguageModel, PreferringModel]:
    model = tiny()
    torch.manual_seed(1)
    adapted = add_adapter(model.module, rank=4, alpha=8, dropout=0.0, task_type="CAUSAL_LM")
    return model, PreferringModel(model, adapted, DPO)


def margins(model: LanguageModel, pairs: tuple[Preference, ...] = KIND, tokens_per_pass: int = 4096) -> Floats:
    return preference_margins(model, pairs, max_length_tokens=128, tokens_per_pass=tokens_per_pass)


def fitted(
    checkpoints: EpochCheckpoints | None = None, *, until: int = 100
) -> tuple[LanguageModel, FitResult, dict[str, torch.Tensor]]:
    model, tuned = model_with_adapter()
    tuned.set_preferences(KIND[:4], KIND[4:], model.chat_format(), max_length_tokens=128)
    result = fit(tuned, DPO, checkpoints=checkpoints, observer=Interrupter(until))
    return model, result, tuned.state()


@pytest.mark.parametrize(
    ("policy", "reference", "smoothing", "loss"),
    [((-10.0, -12.0), (-11.0, -11.5), 0.0, 0.620957), ((-10.0, -12.0), (-11.0, -11.5), 0.1, 0.635957)],
)
def test_the_loss_is_that_of_the_paper(
    policy: tuple[float, float], reference: tuple[float, float], smoothing: float, loss: float
) -> None:
    """By hand: beta times the margins' difference is 0.1 (2 - 0.5) = 0.15, and log(1 + exp(-0.15)) is 0.620957."""
    margins, before = (torch.tensor([each[0] - each[1]]) for each in (policy, reference))

    assert dpo_losses(margins, before, beta=0.1, smoothing=smoothing).item() == pytest.approx(loss, abs=1e-6)
    assert dpo_losses(before, before, beta=0.1).item() == pytest.approx(math.log(2), abs=1e-6)


def test_pairs_are_learned_and_held_out_ones_with_them() -> None:
    before = margins(tiny())
    model, result, _ = fitted()

    assert all(margins(model) > before + 1)
    assert result.losses[0][1] == pytest.approx(math.log(2), abs=0.02)
    assert result.losses[-1][1] < 0.5
    assert result.best is not None
    assert result.best.metrics["reward_margin"] > 0
    assert result.best.metrics["reward_accuracy"] == 1


def test_margins_are_those_of_whole_responses_however_many_go_through_at_a_time() -> None:
    model = tiny()
    swapped = tuple(Preference(pair.prompt, pair.rejected, pair.chosen) for pair in KIND)
    same = (Preference("My card?", "Block it.", "Block it."),)

    assert margins(model, tokens_per_pass=1) == pytest.approx(margins(model), abs=1e-3)
    assert -margins(model) == pytest.approx(margins(model, swapped), abs=1e-3)
    assert prefers(margins(model, same)).tolist() == [0.5]
    assert prefers(margins(model, ())).tolist() == []


def test_a_copy_for_another_process_adds_the_same_gradients() -> None:
    model, tuned = model_with_adapter()
    tuned.set_preferences(KIND[:4], KIND[4:], model.chat_format(), max_length_tokens=128, on_pairs=lambda _: None)
    losses = []
    for each in (tuned, pickle.loads(pickle.dumps(tuned))):
        with each.training() as add_gradients:
            losses.append((each.loss_weight([0, 2]), add_gradients([0, 2])))

    assert losses[0] == losses[1] == (2.0, pytest.approx(math.log(2), abs=1e-5))


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path) -> None:
    _, whole, state = fitted()

    with pytest.raises(Interruption):
        fitted(Checkpoints(tmp_path / "kept", {}).epochs("dpo"), until=3)
    _, resumed, again = fitted(Checkpoints(tmp_path / "kept", {}).epochs("dpo"))

    assert resumed.losses == whole.losses
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_only_an_adapter_goes_on(tmp_path: Path) -> None:
    with TunedLanguageModel.over(tiny(), replace(FAST, method=Method.FULL)) as tuned:
        tuned.save(tmp_path)

    with pytest.raises(TrainingError, match="all of its weights were trained; wanted a version that method lora made"):
        load_adapted_model(tmp_path)


def test_experts_responses_stand_against_drafts_that_differ() -> None:
    answered = [("a", ("Yes.", "Sure.")), ("b", ("No.",)), ("c", ("So.",))]

    assert against_drafts(answered, ["sure. ", "Never.", " "]) == (Preference("b", "No.", "Never."),)
