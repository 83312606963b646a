"""Measure a language model, train it, save it, and measure it again: the common part of every tuning."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ...domain.field_texts import readable_text
from ...domain.model import Method
from ...measuring.text_metrics import TextEvaluation
from ...models.generation.generator import Draft, TextGenerator
from ...models.generation.language_model import LanguageModel
from ..loop.fit import FitResult, fit
from ..loop.meter import ProgressMeter
from ..loop.observer import TrainingObserver
from ..part import PartContext
from .data import Pair, TokenPairs
from .graphs import WriterGraphs
from .loss import holdout_loss, perplexity, text_perplexity
from .settings import GenerationSettings
from .tuned import TunedLanguageModel

__all__ = ["Bench", "FineTuning"]

# Shares of the progress at which the model is loaded, and all but its files is there.
LOADED, WORKED = 0.05, 0.98
CHECKED_ROWS = 8
WRITING_SHARE = 4.0
"""Work of writing a response, as a share of a training pass over it: it is written token by token."""
FORGETTING_RATIO = 1.25
"""From this growth of the probe's perplexity on, a training is reported to have cost general language."""
PROBE = Path(__file__).with_name("probe.txt")
"""Sentences of general English, written for this purpose: a model must not forget it while it learns something else.

The perplexity of these sentences before and after a training shows catastrophic forgetting. They never change, so that
the figures of all versions can be compared.
"""


@dataclass(frozen=True, slots=True)
class _ModelFigures:
    """A model on the holdout rows and on the probe.

    Attributes:
        loss: mean cross entropy over the response tokens of the holdout; None without holdout rows.
        probe_perplexity: of general English, see `PROBE`.
        texts: of the responses that it wrote to the first holdout prompts; None where there are none.
        drafts: these responses.
    """

    loss: float | None
    probe_perplexity: float
    texts: TextEvaluation | None
    drafts: tuple[Draft, ...]

    def summary(self) -> dict[str, float]:
        """The figures that a run logs."""
        figures = {"probe_perplexity": self.probe_perplexity}
        if self.loss is not None:
            figures |= {"loss": self.loss, "perplexity": perplexity(self.loss)}
        return figures | (self.texts.summary() if self.texts is not None else {})


@dataclass(frozen=True, slots=True)
class FineTuning:
    """The outcome of a fine-tuning.

    Attributes:
        answered: holdout prompts that both models answered, and the experts' responses to each.
        checked: train pairs whose mean loss under the tuned model is `checked_loss`, to check a copy of it with.
        max_length_tokens: most tokens of prompt and response together.
        graph_difference: see `WriterGraphs`; None where no graph writes.
        warnings: sentences for the operator.
        figures: further ones, which the run logs.
    """

    fit: FitResult
    base: _ModelFigures
    tuned: _ModelFigures
    answered: tuple[tuple[str, tuple[str, ...]], ...]
    checked: tuple[Pair, ...]
    checked_loss: float
    max_length_tokens: int
    trainable_share: float
    graph_difference: float | None
    warnings: tuple[str, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def forgetting(self) -> float:
        """How many times as puzzling general English has become: the probe's perplexity after, over that before."""
        return self.tuned.probe_perplexity / self.base.probe_perplexity

    @property
    def confidences(self) -> tuple[float, ...]:
        """How sure the tuned model was of its responses."""
        return tuple(draft.confidence for draft in self.tuned.drafts if draft.confidence is not None)

    def samples(self) -> list[dict[str, str | float]]:
        """Holdout prompts with what the expert, the base model and the tuned one wrote."""
        if self.base.texts is None or self.tuned.texts is None:
            return []
        scores = zip(self.base.texts.per_row, self.tuned.texts.per_row, strict=True)
        return [
            {
                "prompt": readable_text(prompt),
                "expert": "\n".join(experts),
                "base": before.text,
                "tuned": after.text,
                "base_rouge_l": round(base_score, 4),
                "tuned_rouge_l": round(tuned_score, 4),
            }
            for (prompt, experts), before, after, (base_score, tuned_score) in zip(
                self.answered, self.base.drafts, self.tuned.drafts, scores, strict=True
            )
        ]


class Bench:
    """Measures a model as it is at the moment, and trains it between two measurements.

    Args:
        model: in memory, as the training begins.
        holdout: pairs on which it is measured; there may be none.
        rows_per_epoch: passes over rows, each counted by its share of a training pass.

    Attributes:
        length: most tokens of prompt and response together.
        answered: holdout prompts that are answered, each with the experts' responses.
    """

    def __init__(
        self,
        model: LanguageModel,
        holdout: Sequence[Pair],
        settings: GenerationSettings,
        context: PartContext,
        *,
        rows_per_epoch: float,
    ) -> None:
        self._model, self._settings, self._context = model, settings, context
        self.generator = TextGenerator.of(
            model, max_new_tokens=settings.max_new_tokens, max_length_tokens=settings.max_length_tokens
        )
        self.length = self.generator.max_length_tokens or settings.max_length_tokens
        self.holdout = self.tokens(holdout)
        self.answered = _prompts(holdout)[: settings.evaluation_rows]
        self.graphs = WriterGraphs(context, model, self.generator)
        self._rows_per_epoch = rows_per_epoch
        measuring = 2 * (len(holdout) * ProgressMeter.FORWARD_SHARE + len(self.answered) * WRITING_SHARE)
        work = settings.epochs * rows_per_epoch + measuring
        self._meter = ProgressMeter(context.report, work, start=LOADED, end=WORKED)
        self._measuring_s = 0.0

    def tokens(self, pairs: Sequence[Pair]) -> TokenPairs:
        """Pairs as the model's tokens."""
        return TokenPairs.of(pairs, self.generator.format, max_length_tokens=self.length)

    def measure(self, name: str, generator: TextGenerator) -> _ModelFigures:
        """The figures of the model, which is called by a name in messages.

        Args:
            generator: writes the responses.
        """
        before_s = time.monotonic()
        per_pass, loss = self._settings.tokens_per_pass, None
        if self.holdout.rows:
            advance = self.advancing("measuring", f"reading the holdout rows with the {name}")
            loss = holdout_loss(self._model, self.holdout.rows, tokens_per_pass=per_pass, on_rows=advance)
        general = text_perplexity(self._model, _probe(), tokens_per_pass=per_pass)
        count = self._meter.counter("measuring", f"writing responses with the {name}", work=WRITING_SHARE)
        drafts = generator.generate([prompt for prompt, _ in self.answered], on_rows=count)
        experts = [responses for _, responses in self.answered]
        texts = TextEvaluation.of(experts, [draft.text for draft in drafts]) if experts else None
        self._measuring_s = time.monotonic() - before_s
        return _ModelFigures(loss, general, texts, tuple(drafts))

    def advancing(self, stage: str, message: str) -> Callable[[int], None]:
        """A callback that counts rows whose loss was measured."""
        return lambda rows: self._meter.advance(rows * ProgressMeter.FORWARD_SHARE, stage, message)

    def tune(self, tuned: TunedLanguageModel, base: _ModelFigures, learned: Sequence[Pair]) -> FineTuning:
        """Train the model, write it to the context's scratch folder, and measure it.

        Args:
            tuned: the same model, with what it learns.
            base: its figures before.
            learned: prompts and responses of the kind that it learns; a copy of it is checked with the first ones.

        Raises:
            TrainingError: the loss is no longer a finite number.
        """
        settings, context, checked = self._settings, self._context, learned[:CHECKED_ROWS]
        result = fit(
            tuned,
            settings,
            observer=TrainingObserver(
                self._meter,
                "training",
                rows_per_epoch=self._rows_per_epoch,
                describe=lambda step: f"epoch {step.epoch} of {settings.epochs}, {step}",
                run=context.run,
            ),
            checkpoints=context.checkpoints.epochs(settings.method),
            # The tuned model is measured before the deadline, which takes as long as the measurement before did.
            deadline=context.deadline and context.deadline.earlier(self._measuring_s),
            replicas=context.replicas,
        )
        tuned.save(context.scratch)
        after = self.measure("tuned model", self.graphs.tuned([pair.prompt for pair in checked]))
        return FineTuning(
            result,
            base,
            after,
            self.answered,
            tuple(checked),
            holdout_loss(self._model, self.tokens(checked).rows, tokens_per_pass=settings.tokens_per_pass),
            self.length,
            tuned.trainable_share,
            self.graphs.difference,
            (*self.graphs.warnings, *self.holdout.warnings("holdout rows"), *_warnings(base, after, result, settings)),
        )


def _prompts(pairs: Sequence[Pair]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The prompts, each once, with all responses to it."""
    responses: dict[str, list[str]] = {}
    for pair in pairs:
        responses.setdefault(pair.prompt, []).append(pair.response)
    return tuple((prompt, tuple(each)) for prompt, each in responses.items())


@cache
def _probe() -> tuple[str, ...]:
    return tuple(PROBE.read_text(encoding="utf-8").splitlines())


def _warnings(base: _ModelFigures, tuned: _ModelFigures, result: FitResult, settings: GenerationSettings) -> list[str]:
    warnings = []
    if tuned.probe_perplexity > FORGETTING_RATIO * base.probe_perplexity:
        warnings.append(
            f"general English puzzles the tuned model more than its base (perplexity {tuned.probe_perplexity:.1f}, "
            f"it was {base.probe_perplexity:.1f}): lower learning_rate, or train fewer epochs"
        )
    learns_responses = settings.method is not Method.DPO
    if learns_responses and base.loss is not None and tuned.loss is not None and tuned.loss >= base.loss:
        warnings.append(
            f"the holdout loss did not fall: it was {base.loss:.3f}, and is {tuned.loss:.3f} after epoch "
            f"{result.best_epoch}; the rows teach too little, or learning_rate does not fit"
        )
    return warnings
