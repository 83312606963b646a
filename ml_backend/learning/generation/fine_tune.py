"""One fine-tuning from pairs to a model on disk, measured against its base."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...domain.model import Method
from ...errors import TrainingError
from ...measuring.text_metrics import TextEvaluation, text_metrics
from ...models.generation.generator import Draft, TextGenerator
from ...models.generation.language_model import LanguageModel, load_language_model
from ..loop.fit import FitResult, fit
from ..loop.meter import FORWARD_SHARE, ProgressMeter
from ..loop.observer import Step, TrainingObserver
from ..part import PartContext
from .data import Pair, TokenPairs, tokenise_pairs
from .loss import holdout_loss, perplexity, text_perplexity
from .settings import GenerationSettings
from .tuned import tunable_language_model

__all__ = ["PROBE", "FineTuning", "fine_tune"]

# Shares of the progress at which the model is loaded, and all but its files is there.
LOADED, WORKED = 0.05, 0.98
CHECKED_ROWS = 8
WRITING_SHARE = 4.0
"""Work of writing a response, as a share of a training pass over it: it is written token by token."""
FORGETTING_RATIO = 1.25
"""From this growth of the probe's perplexity on, a training is reported to have cost general language."""
PROBE = (
    "The train from the coast arrived twenty minutes late because a tree had fallen across the line.",
    "She closed the window, put the kettle on, and waited for the rain to stop.",
    "Most birds build a new nest every spring, although some return to the old one.",
    "If the door is locked, please ask at the desk downstairs for the key.",
    "The committee will meet again on Thursday to decide how the money should be spent.",
    "Water boils at a lower temperature in the mountains than it does at sea level.",
    "He had read the letter twice before he understood what his brother was asking of him.",
    "Fresh bread, a little cheese and an apple were all that they took with them.",
    "The museum opens at nine in the morning and is closed on public holidays.",
    "Nobody knew why the lights had gone out, but everybody had an opinion about it.",
    "A good map shows not only the roads but also where the ground is too wet to walk on.",
    "When the harvest was over, the whole village gathered in the square to dance.",
    "The doctor told him to rest for a week and to come back if the pain did not go away.",
    "In winter the lake freezes so hard that people drive across it with their cars.",
    "Children learn their first language by listening, long before they can say a word.",
    "The old bridge was replaced by a wider one, which carries trams as well as bicycles.",
    "I would rather walk for an hour than wait here for a bus that may never come.",
    "Prices rose faster than wages that year, and many families had to move to smaller homes.",
    "Every evening the lighthouse keeper wrote down the weather and the names of passing ships.",
    "To plant a tree, dig a hole twice as wide as its roots and water it well.",
    "The band played one more song, although the musicians were tired and the hall half empty.",
    "Scientists compared the two samples and found no difference that could not be due to chance.",
    "My grandmother kept her recipes in a tin box, each on a card in her careful handwriting.",
    "The plane circled over the city until the fog had lifted and it was allowed to land.",
    "A contract is valid only when both sides have signed it of their own free will.",
    "They painted the kitchen yellow, which made the room look larger than it really was.",
    "The river has changed its course several times, leaving behind a chain of quiet ponds.",
    "After the goal the crowd fell silent for a moment, as if it had not believed its eyes.",
    "Bees find their way home by the position of the sun, even on days with many clouds.",
    "The new teacher learned the names of all thirty pupils before the end of the first day.",
)
"""General English, written for this purpose: what a model must not forget while it learns something special.

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
    """What a fine-tuning came to.

    Attributes:
        answered: holdout pairs whose prompts both models answered.
        checked: train pairs whose mean loss under the tuned model is `checked_loss`, to check a copy of it with.
        max_length_tokens: most tokens of prompt and response together.
        warnings: sentences for the operator.
    """

    fit: FitResult
    base: _ModelFigures
    tuned: _ModelFigures
    answered: tuple[Pair, ...]
    checked: tuple[Pair, ...]
    checked_loss: float
    max_length_tokens: int
    trainable_share: float
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
                "prompt": pair.prompt,
                "expert": pair.response,
                "base": before.text,
                "tuned": after.text,
                "base_rouge_l": round(base_score, 4),
                "tuned_rouge_l": round(tuned_score, 4),
            }
            for pair, before, after, (base_score, tuned_score) in zip(
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
    model = load_language_model(
        base_model, in_fp32=settings.trains_base_weights, quantised=settings.method is Method.QLORA
    )
    writer = TextGenerator(model, max_new_tokens=settings.max_new_tokens, max_length_tokens=settings.max_length_tokens)
    length = writer.max_length_tokens or settings.max_length_tokens
    train_rows = tokenise_pairs(train, writer.format, max_length_tokens=length)
    holdout_rows = tokenise_pairs(holdout, writer.format, max_length_tokens=length)
    answered = tuple(holdout[: settings.evaluation_rows])
    rows_per_epoch = len(train_rows.rows) + len(holdout_rows.rows) * FORWARD_SHARE
    measuring_work = 2 * (len(holdout_rows.rows) * FORWARD_SHARE + len(answered) * WRITING_SHARE)
    meter = ProgressMeter(context.report, settings.epochs * rows_per_epoch + measuring_work, start=LOADED, end=WORKED)
    bench = _Bench(model, writer, holdout_rows, answered, meter, settings.tokens_per_pass)
    before_s = time.monotonic()
    base = bench.measure("base model")
    measuring_s = time.monotonic() - before_s
    with tunable_language_model(model, settings) as tuned:
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
                meter, "training", rows_per_epoch=rows_per_epoch, describe=_described(settings), run=context.run
            ),
            checkpoints=context.checkpoints.epochs(settings.method),
            deadline=context.deadline and context.deadline.earlier(measuring_s),
        )
        after = bench.measure("tuned model")
        checked_loss = holdout_loss(model, train_rows.rows[:CHECKED_ROWS], tokens_per_pass=settings.tokens_per_pass)
        tuned.save(context.scratch)
    return FineTuning(
        result,
        base,
        after,
        answered,
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
    answered: Sequence[Pair]
    meter: ProgressMeter
    tokens_per_pass: int

    def measure(self, name: str) -> _ModelFigures:
        """The figures of the model, which is called by a name in messages."""
        loss = None
        if self.holdout.rows:
            advance = self.advancing("measuring", f"reading the holdout rows with the {name}")
            loss = holdout_loss(self.model, self.holdout.rows, tokens_per_pass=self.tokens_per_pass, on_rows=advance)
        general = text_perplexity(self.model, PROBE, tokens_per_pass=self.tokens_per_pass)
        count = self.meter.counter("measuring", f"writing responses with the {name}", work=WRITING_SHARE)
        drafts = self.writer.generate([pair.prompt for pair in self.answered], on_rows=count)
        experts = [pair.response for pair in self.answered]
        texts = text_metrics(experts, [draft.text for draft in drafts]) if experts else None
        return _ModelFigures(loss, general, texts, tuple(drafts))

    def advancing(self, stage: str, message: str) -> Callable[[int], None]:
        """A callback that counts rows whose loss was measured."""
        return lambda rows: self.meter.advance(rows * FORWARD_SHARE, stage, message)


def _described(settings: GenerationSettings) -> Callable[[Step], str]:
    return lambda step: f"epoch {step.epoch} of {settings.epochs}, {step}"


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
