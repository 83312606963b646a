"""One fine-tuning from pairs to a model on disk, measured against its base."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...domain.progress import ProgressCallback
from ...errors import TrainingError
from ...measuring.text_metrics import TextEvaluation, text_metrics
from ...models.generation.generator import Draft, TextGenerator
from ...models.generation.language_model import LanguageModel
from ..loop.checkpoints import EpochCheckpoints
from ..loop.deadline import Deadline
from ..loop.meter import ProgressMeter
from .data import Pair, TokenPairs, tokenised
from .fit import EpochResult, FitObserver, FitResult, fit
from .loss import holdout_loss, perplexity, text_perplexity
from .probe import FORGETTING_RATIO, PROBE
from .settings import GenerationSettings
from .steps import Step
from .tunable import load_for_tuning, tunable

__all__ = ["FineTuning", "Measured", "Sample", "fine_tune"]

# Shares of the whole that progress tells of.
LOADED, WORKED = 0.05, 0.98
CHECKED_ROWS = 8
FORWARD_SHARE = 1 / 3
"""Work of measuring a row's loss, as a share of a training pass over it."""
WRITING_SHARE = 4.0
"""Work of writing a response, likewise: token by token, it takes longer than reading it at once."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A model on the holdout rows and on the probe.

    Attributes:
        loss: mean cross entropy over the response tokens of the holdout; None without holdout rows.
        probe_perplexity: of general English, see `probe`.
        texts: of the responses that it wrote; None where none were asked for.
    """

    loss: float | None
    probe_perplexity: float
    texts: TextEvaluation | None

    def summary(self) -> dict[str, float]:
        """The figures that a run logs."""
        figures = {"probe_perplexity": self.probe_perplexity}
        if self.loss is not None:
            figures |= {"loss": self.loss, "perplexity": perplexity(self.loss)}
        return figures | (self.texts.summary() if self.texts is not None else {})


@dataclass(frozen=True, slots=True)
class Sample:
    """A holdout prompt with what the expert, the base model and the tuned one wrote."""

    prompt: str
    expert: str
    base: str
    tuned: str
    base_rouge_l: float
    tuned_rouge_l: float


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What a fine-tuning came to.

    Attributes:
        losses: (step, training loss); those of an earlier attempt included.
        epochs: holdout loss at the ends of epochs, likewise.
        samples: one per holdout row that was answered.
        confidences: of the tuned model in its responses to them.
        checked: train pairs whose mean loss under the tuned model is `checked_loss`, to check a copy of it with.
        max_length_tokens: most tokens of prompt and response together.
        warnings: what a user should know.
    """

    fit: FitResult
    base: Measured
    tuned: Measured
    losses: tuple[tuple[int, float], ...]
    epochs: tuple[EpochResult, ...]
    samples: tuple[Sample, ...]
    confidences: tuple[float, ...]
    checked: tuple[Pair, ...]
    checked_loss: float
    max_length_tokens: int
    trainable_share: float
    warnings: tuple[str, ...]

    @property
    def forgetting(self) -> float:
        """How many times as puzzling general English has become: the probe's perplexity after, over that before."""
        return self.tuned.probe_perplexity / self.base.probe_perplexity

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"forgetting": self.forgetting}


def fine_tune(
    base_model: str,
    train: Sequence[Pair],
    holdout: Sequence[Pair],
    settings: GenerationSettings,
    folder: Path,
    *,
    report: ProgressCallback,
    checkpoints: EpochCheckpoints | None = None,
    device: str | None = None,
    deadline: Deadline | None = None,
) -> FineTuning:
    """Fine-tune a base model and write it to a folder, as `load_tuned_model` reads it.

    Args:
        holdout: pairs on which the best epoch is chosen and both models are measured; there may be none.
        checkpoints: where every epoch is kept; the training goes on after the newest that is there already.
        deadline: training ends early enough to measure the tuned model before it.

    Raises:
        EncoderError: the base model cannot be loaded.
        TrainingError: there are no train pairs, or the training cannot go on.
    """
    if not train:
        raise TrainingError("no train row has a prompt and a response; review tasks, and train again")
    model = load_for_tuning(base_model, settings, device=device)
    writer = TextGenerator(model, max_new_tokens=settings.max_new_tokens, max_length_tokens=settings.max_length_tokens)
    length = writer.max_length_tokens or settings.max_length_tokens
    train_rows = tokenised(train, writer.format, max_length_tokens=length)
    holdout_rows = tokenised(holdout, writer.format, max_length_tokens=length)
    asked = holdout[: settings.evaluation_rows]
    course = _Course(report, train_rows, holdout_rows, len(asked), settings)
    bench = _Bench(model, writer, holdout_rows, asked, course, settings.tokens_per_pass)
    before_s = time.monotonic()
    base, base_drafts = bench.measure("base model")
    measuring_s = time.monotonic() - before_s
    with tunable(model, settings) as tuned:
        share = tuned.trainable_share
        result = fit(
            tuned,
            train_rows,
            holdout_rows,
            settings,
            observer=course.observer(),
            checkpoints=checkpoints,
            deadline=deadline and deadline.earlier(measuring_s),
        )
        after, drafts = bench.measure("tuned model")
        checked = train_rows.rows[:CHECKED_ROWS]
        checked_loss = holdout_loss(model, checked, tokens_per_pass=settings.tokens_per_pass)
        tuned.save(folder)
    return FineTuning(
        result,
        base,
        after,
        tuple(course.losses),
        tuple(course.epochs),
        _samples(asked, base, base_drafts, after, drafts),
        tuple(draft.confidence for draft in drafts if draft.confidence is not None),
        tuple(train[:CHECKED_ROWS]),
        checked_loss,
        length,
        share,
        (*train_rows.warnings("train rows"), *holdout_rows.warnings("holdout rows"), *_warnings(base, after, result)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Measures a model as it is at the moment."""

    model: LanguageModel
    writer: TextGenerator
    holdout: TokenPairs
    asked: Sequence[Pair]
    course: "_Course"
    tokens_per_pass: int

    def measure(self, what: str) -> tuple[Measured, list[Draft]]:
        """Its figures and its responses; `what` names the model."""
        loss = None
        if self.holdout.rows:
            passed = self.course.advancing(FORWARD_SHARE, "measuring", f"reading the holdout rows with the {what}")
            loss = holdout_loss(self.model, self.holdout.rows, tokens_per_pass=self.tokens_per_pass, on_rows=passed)
        general = text_perplexity(self.model, PROBE, tokens_per_pass=self.tokens_per_pass)
        told = self.course.counting(WRITING_SHARE, "measuring", f"writing responses with the {what}")
        drafts = self.writer.generate([pair.prompt for pair in self.asked], on_rows=told)
        experts = [pair.response for pair in self.asked]
        texts = text_metrics(experts, [draft.text for draft in drafts]) if experts else None
        return Measured(loss, general, texts), drafts


def _samples(
    asked: Sequence[Pair], base: Measured, base_drafts: Sequence[Draft], tuned: Measured, drafts: Sequence[Draft]
) -> tuple[Sample, ...]:
    if base.texts is None or tuned.texts is None:
        return ()
    scores = zip(base.texts.per_row, tuned.texts.per_row, strict=True)
    return tuple(
        Sample(pair.prompt, pair.response, before.text, after.text, *of_both)
        for pair, before, after, of_both in zip(asked, base_drafts, drafts, scores, strict=True)
    )


def _warnings(base: Measured, tuned: Measured, result: FitResult) -> list[str]:
    warnings = []
    if tuned.probe_perplexity > FORGETTING_RATIO * base.probe_perplexity:
        warnings.append(
            f"general English puzzles the tuned model more than its base (perplexity {tuned.probe_perplexity:.1f}, "
            f"it was {base.probe_perplexity:.1f}): lower learning_rate, or train fewer epochs"
        )
    if base.loss is not None and tuned.loss is not None and tuned.loss >= base.loss:
        warnings.append(
            f"the holdout loss did not fall: it was {base.loss:.3f}, and is {tuned.loss:.3f} after epoch "
            f"{result.best_epoch}; the rows teach too little, or learning_rate does not fit"
        )
    return warnings


class _Course:
    """Turns what happens into progress, and remembers the losses over attempts."""

    def __init__(
        self, report: ProgressCallback, train: TokenPairs, holdout: TokenPairs, asked: int, settings: GenerationSettings
    ) -> None:
        reading = len(holdout.rows) * FORWARD_SHARE
        self._of_an_epoch = len(train.rows) + reading
        work = settings.epochs * self._of_an_epoch + 2 * (reading + asked * WRITING_SHARE)
        self._meter = ProgressMeter(report, work, start=LOADED, end=WORKED)
        self._epochs = settings.epochs
        self.losses: list[tuple[int, float]] = []
        self.epochs: list[EpochResult] = []

    def observer(self) -> FitObserver:
        """Told of the training."""
        return FitObserver(
            on_step=self._stepped,
            on_epoch=self.epochs.append,
            on_holdout_rows=self.advancing(FORWARD_SHARE, "training", "measuring the holdout loss"),
            on_resume=self._resumed,
            memory=lambda: {"losses": self.losses, "epochs": [asdict(epoch) for epoch in self.epochs]},
        )

    def advancing(self, share: float, stage: str, message: str) -> Callable[[int], None]:
        """To be told of rows that were worked on."""
        return lambda rows: self._meter.advance(rows * share, stage, message)

    def counting(self, share: float, stage: str, message: str) -> Callable[[int], None]:
        """To be told how many rows have been worked on by now."""
        done = 0

        def tell(rows: int) -> None:
            nonlocal done
            self._meter.advance((rows - done) * share, stage, message)
            done = rows

        return tell

    def _stepped(self, step: Step) -> None:
        self.losses.append((step.number, step.loss))
        epoch = -(-step.number * self._epochs // step.of)
        figures = {"loss": step.loss, "learning_rate": step.learning_rate}
        self._meter.advance(
            step.rows, "training", f"epoch {epoch} of {self._epochs}, step {step.number} of {step.of}", figures
        )

    def _resumed(self, epoch: int, memory: Mapping[str, Any]) -> None:
        self.losses += [(int(step), float(loss)) for step, loss in memory["losses"]]
        self.epochs += [EpochResult(**result) for result in memory["epochs"]]
        self._meter.skip(epoch * self._of_an_epoch)
