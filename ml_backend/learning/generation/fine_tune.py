"""One fine-tuning from pairs to a model on disk, measured against its base."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...domain.field_texts import readable_text
from ...domain.model import Method
from ...errors import TrainingError
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

__all__ = ["FineTuning", "fine_tune"]

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


def fine_tune(
    base_model: str,
    train: Sequence[Pair],
    holdout: Sequence[Pair],
    settings: GenerationSettings,
    context: PartContext,
) -> FineTuning:
    """Fine-tune a base model and write it to the context's scratch folder, as `load_tuned_model` reads it.

    Args:
        holdout: pairs on which the best epoch is chosen and both models are measured; there may be none.
        context: its deadline includes measuring the tuned model.

    Raises:
        EncoderError: the base model cannot be loaded, or not as the method needs it.
        TrainingError: there are no train pairs, or the training cannot go on.
    """
    if not train:
        raise TrainingError("no train row has a prompt and a response; review tasks, and train again")
    model = LanguageModel.load(
        base_model, in_fp32=settings.trains_base_weights, quantised=settings.method is Method.QLORA
    )
    generator = TextGenerator.of(
        model, max_new_tokens=settings.max_new_tokens, max_length_tokens=settings.max_length_tokens
    )
    length = generator.max_length_tokens or settings.max_length_tokens
    train_rows = TokenPairs.of(train, generator.format, max_length_tokens=length)
    holdout_rows = TokenPairs.of(holdout, generator.format, max_length_tokens=length)
    answered = _prompts(holdout)[: settings.evaluation_rows]
    rows_per_epoch = len(train_rows.rows) + len(holdout_rows.rows) * ProgressMeter.FORWARD_SHARE
    measuring_work = 2 * (len(holdout_rows.rows) * ProgressMeter.FORWARD_SHARE + len(answered) * WRITING_SHARE)
    meter = ProgressMeter(context.report, settings.epochs * rows_per_epoch + measuring_work, start=LOADED, end=WORKED)
    bench = _Bench(model, holdout_rows, answered, meter, settings.tokens_per_pass)
    graphs = WriterGraphs(context, model, generator)
    before_s = time.monotonic()
    base = bench.measure("base model", graphs.base() if answered else generator)
    measuring_s = time.monotonic() - before_s
    with TunedLanguageModel.over(model, settings) as tuned:
        share = tuned.trainable_share
        tuned.set_rows(
            train_rows,
            holdout_rows,
            on_holdout_rows=bench.advancing("training", "measuring the holdout loss"),
        )
        result = fit(
            tuned,
            settings,
            observer=TrainingObserver(
                meter,
                "training",
                rows_per_epoch=rows_per_epoch,
                describe=lambda step: f"epoch {step.epoch} of {settings.epochs}, {step}",
                run=context.run,
            ),
            checkpoints=context.checkpoints.epochs(settings.method),
            deadline=context.deadline and context.deadline.earlier(measuring_s),
            replicas=context.replicas,
        )
        tuned.save(context.scratch)
        tuned_writer = graphs.tuned([pair.prompt for pair in train[:CHECKED_ROWS]])
        after = bench.measure("tuned model", tuned_writer)
        checked_loss = holdout_loss(model, train_rows.rows[:CHECKED_ROWS], tokens_per_pass=settings.tokens_per_pass)
    return FineTuning(
        result,
        base,
        after,
        answered,
        tuple(train[:CHECKED_ROWS]),
        checked_loss,
        length,
        share,
        graphs.difference,
        (
            *graphs.warnings,
            *train_rows.warnings("train rows"),
            *holdout_rows.warnings("holdout rows"),
            *_warnings(base, after, result),
        ),
    )


class _Bench:
    """Measures a model as it is at the moment."""

    def __init__(
        self,
        model: LanguageModel,
        holdout: TokenPairs,
        answered: Sequence[tuple[str, tuple[str, ...]]],
        meter: ProgressMeter,
        tokens_per_pass: int,
    ) -> None:
        self._model = model
        self._holdout, self._answered = holdout, answered
        self._meter, self._tokens_per_pass = meter, tokens_per_pass

    def measure(self, name: str, generator: TextGenerator) -> _ModelFigures:
        """The figures of the model, which is called by a name in messages.

        Args:
            generator: writes the responses.
        """
        loss = None
        if self._holdout.rows:
            advance = self.advancing("measuring", f"reading the holdout rows with the {name}")
            loss = holdout_loss(self._model, self._holdout.rows, tokens_per_pass=self._tokens_per_pass, on_rows=advance)
        general = text_perplexity(self._model, _probe(), tokens_per_pass=self._tokens_per_pass)
        count = self._meter.counter("measuring", f"writing responses with the {name}", work=WRITING_SHARE)
        drafts = generator.generate([prompt for prompt, _ in self._answered], on_rows=count)
        experts = [responses for _, responses in self._answered]
        texts = TextEvaluation.of(experts, [draft.text for draft in drafts]) if experts else None
        return _ModelFigures(loss, general, texts, tuple(drafts))

    def advancing(self, stage: str, message: str) -> Callable[[int], None]:
        """A callback that counts rows whose loss was measured."""
        return lambda rows: self._meter.advance(rows * ProgressMeter.FORWARD_SHARE, stage, message)


def _prompts(pairs: Sequence[Pair]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The prompts, each once, with all responses to it."""
    responses: dict[str, list[str]] = {}
    for pair in pairs:
        responses.setdefault(pair.prompt, []).append(pair.response)
    return tuple((prompt, tuple(each)) for prompt, each in responses.items())


@cache
def _probe() -> tuple[str, ...]:
    return tuple(PROBE.read_text(encoding="utf-8").splitlines())


def _warnings(base: _ModelFigures, tuned: _ModelFigures, result: FitResult) -> list[str]:
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
