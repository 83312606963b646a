"""Fine-tuning a model for one control: from its rows to the files that a bundle takes in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...domain.model import Method
from ...domain.ports import Run
from ...domain.progress import Progress, ProgressCallback
from ...errors import TrainingError
from ...models.bundle.bundle import TrainedPart
from ...models.bundle.manifest import QUANTILES, PartFacts
from ...models.decoders.text import TextDecoder
from ...models.generation.generator import format_of
from ...models.generation.language_model import LanguageModel
from ...models.generation.tuned_model import load_tuned_model
from ..loop.checkpoints import Checkpoints
from ..loop.deadline import Deadline
from ..rows.data import LabeledTexts, TrainingData
from .data import Pair, tokenised
from .fine_tune import FineTuning, fine_tune
from .loss import holdout_loss, perplexity
from .settings import GenerationSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TextPartOutcome", "perplexity_of", "train_text_part"]

TOLERANCE = 0.02
"""Largest difference between losses before saving and after loading, as a share."""
LOGGED_POINTS = 200


@dataclass(frozen=True, slots=True, eq=False)
class TextPartOutcome:
    """What came of a fine-tuning for one control; see `PartOutcome`.

    Attributes:
        checked: pairs that the bundle is checked with, and `checked_loss` what they should give.
    """

    part: TrainedPart
    metrics: Mapping[str, float]
    warnings: tuple[str, ...]
    reason: str
    checked: tuple[Pair, ...]
    checked_loss: float

    @property
    def method(self) -> Method:
        """How the base model was tuned."""
        return self.part.facts.method

    @property
    def score(self) -> float | None:
        """ROUGE-L on the validation rows; None without any."""
        return self.metrics.get("rouge_l")

    def verify(self, folder: Path) -> None:
        """Check that the model, read back from a part's folder, reads responses as it did when it was trained.

        Raises:
            TrainingError: it does not.
        """
        model = load_tuned_model(folder)
        length = self.part.facts.max_length_tokens
        rows = tokenised(self.checked, format_of(model), max_length_tokens=length).rows
        found = holdout_loss(model, rows, tokens_per_pass=int(self.part.facts.settings["tokens_per_pass"]))
        if not abs(found - self.checked_loss) <= TOLERANCE * max(1.0, self.checked_loss):
            raise TrainingError(
                f"the model in {folder} reads responses otherwise than the one that was trained: its loss is "
                f"{found:.4g}, it was {self.checked_loss:.4g}. Files may have changed on disk: train again."
            )


def train_text_part(
    base_model: str,
    data: TrainingData,
    settings: GenerationSettings,
    *,
    run: Run,
    checkpoints: Checkpoints,
    report: ProgressCallback,
    share: tuple[float, float],
    scratch: Path,
    deadline: Deadline | None = None,
) -> TextPartOutcome:
    """Fine-tune the base model and measure it against what it was before.

    Args:
        share: fractions of the progress at which the work begins and ends.
        scratch: folder of this part's own for its files.
        deadline: of the fine-tuning, measuring its outcome included.

    Raises:
        EncoderError: the base model cannot be loaded.
        TrainingError: the loss is not finite, or the base model cannot be tuned.
    """
    train, holdout = _pairs(data.train), _pairs(data.validation)
    run.log_params(
        {**settings.to_json(), "base_model": base_model, "train_rows": len(train), "validation_rows": len(holdout)}
    )

    def told(progress: Progress) -> None:
        fraction = share[0] + progress.fraction * (share[1] - share[0])
        report(Progress(fraction, progress.stage, progress.message, progress.metrics))

    found = fine_tune(
        base_model,
        train,
        holdout,
        settings,
        scratch,
        report=told,
        checkpoints=checkpoints.epochs(settings.method),
        deadline=deadline,
    )
    metrics = _metrics(found)
    _log(run, found, metrics)
    facts = PartFacts(
        control=data.control,
        head=TextDecoder.head,
        method=Method(settings.method),
        decoder=TextDecoder(base_model=base_model, max_new_tokens=settings.max_new_tokens),
        max_length_tokens=found.max_length_tokens,
        score_quantiles=_quantiles(found.confidences),
        settings=settings.to_json(),
    )
    warnings = (*data.warnings, *found.warnings)
    return TextPartOutcome(
        TrainedPart(facts, scratch), metrics, warnings, _reason(found, settings), found.checked, found.checked_loss
    )


def perplexity_of(model: LanguageModel, prompts: Sequence[str], responses: Sequence[str]) -> float:
    """Perplexity of responses to prompts, per token of the responses; not a number without any."""
    pairs = [Pair(prompt, response) for prompt, response in zip(prompts, responses, strict=True)]
    length = model.max_length_tokens or GenerationSettings().max_length_tokens
    rows = tokenised(pairs, format_of(model), max_length_tokens=length).rows
    return perplexity(holdout_loss(model, rows, tokens_per_pass=GenerationSettings().tokens_per_pass))


def _pairs(rows: LabeledTexts) -> list[Pair]:
    return [
        Pair(text, str(target), float(weight))
        for text, target, weight in zip(rows.texts, rows.targets, rows.weights, strict=True)
    ]


def _metrics(found: FineTuning) -> dict[str, float]:
    """The tuned model's figures, the base model's as `base_…`, and how much general language was forgotten."""
    base = {f"base_{name}": value for name, value in found.base.summary().items() if name != "rows"}
    return {**found.tuned.summary(), **base, "forgetting": found.forgetting}


def _quantiles(confidences: Sequence[float]) -> tuple[float, ...]:
    """The 0th to 100th percentile; evenly spread over all there can be where nothing was written."""
    points = np.linspace(0.0, 1.0, QUANTILES)
    values = np.quantile(np.array(confidences), points) if confidences else points
    return tuple(float(value) for value in values)


def _reason(found: FineTuning, settings: GenerationSettings) -> str:
    kept = f"{settings.method} tuned the base model, and epoch {found.fit.best_epoch} of {found.fit.epochs} was kept"
    if found.base.texts is None or found.tuned.texts is None:
        return kept
    return (
        f"{kept}: ROUGE-L {found.tuned.texts.rouge_l:.3f} on {found.tuned.texts.rows} validation rows, "
        f"{found.base.texts.rouge_l:.3f} before"
    )


def _log(run: Run, found: FineTuning, metrics: Mapping[str, float]) -> None:
    every = max(1, len(found.losses) // LOGGED_POINTS)
    for step, loss in found.losses[every - 1 :: every]:
        run.log_metrics({"train_loss": loss}, step=step)
    for epoch in found.epochs:
        run.log_metrics({"epoch_validation_loss": epoch.holdout_loss}, step=epoch.step)
    run.log_metrics({f"validation_{name}": value for name, value in metrics.items()})
    run.log_metrics({"trainable_share": found.trainable_share})
    run.log_figure(_curves(found), "training_curves.png")
    if found.samples:
        run.log_table(
            [
                {
                    "prompt": sample.prompt,
                    "expert": sample.expert,
                    "base": sample.base,
                    "tuned": sample.tuned,
                    "base_rouge_l": round(sample.base_rouge_l, 4),
                    "tuned_rouge_l": round(sample.tuned_rouge_l, 4),
                }
                for sample in found.samples
            ],
            "base_and_tuned.json",
        )


def _curves(found: FineTuning) -> "Figure":
    """Training loss per step and holdout loss per epoch, without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([step for step, _ in found.losses], [loss for _, loss in found.losses], linewidth=1, label="train")
    if found.epochs:
        steps, losses = [each.step for each in found.epochs], [each.holdout_loss for each in found.epochs]
        axes.plot(steps, losses, marker="o", label="validation")
    axes.set(xlabel="step", ylabel="loss per response token", title="fine-tuning")
    axes.legend()
    return figure
