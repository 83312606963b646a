"""Fine-tuning a model for one control: from its rows to the files that a bundle takes in."""

from collections.abc import Sequence
from functools import partial
from itertools import starmap

import numpy as np

from ...domain.model import Method
from ...errors import TrainingError
from ...models.bundle.bundle import Bundle, TrainedPart
from ...models.bundle.manifest import PartFacts
from ...models.decoders.text import TextDecoder
from ...models.generation.language_model import LanguageModel
from ...models.generation.tuned_model import load_tuned_model
from ..figures import curves_figure
from ..part import PartContext, PartOutcome, PartTrainer, VersionSpec
from ..rows.data import LabeledTexts, TrainingData
from .bench import FineTuning
from .data import Pair, TokenPairs
from .fine_tune import fine_tune
from .loss import holdout_loss, perplexity
from .prefer import prefer
from .settings import GenerationSettings

__all__ = ["TextTrainer", "perplexity_of"]

TOLERANCE = 0.02
"""Largest difference between losses before saving and after loading, as a share."""


class TextTrainer(PartTrainer):
    """Fine-tunes a language model, and measures it against what it was before."""

    is_for_texts = True
    _settings: GenerationSettings

    def __init__(self, spec: VersionSpec) -> None:
        self._base_model, self._settings = self.base_model_in(spec), spec.writing

    @staticmethod
    def base_model_in(spec: VersionSpec) -> str:
        if not spec.text_base_model:
            raise TrainingError(
                "no base model is named for the controls that are answered with a text; set "
                "LABELLOOP_TEXT_BASE_MODEL, or give --text-base-model"
            )
        return spec.text_base_model

    def train(self, data: TrainingData, context: PartContext) -> PartOutcome:
        settings = self._settings
        train, holdout = _pairs(data.train), _pairs(data.validation)
        context.run.log_params(
            {
                **settings.to_json(),
                "base_model": self._base_model,
                "train_rows": len(train),
                "validation_rows": len(holdout),
            }
        )
        if data.preferred is None:
            tuning = fine_tune(self._base_model, train, holdout, settings, context)
        else:
            context.run.log_params({"train_pairs": len(data.preferred.train)})
            tuning = prefer(data.preferred, holdout, settings, context)
        facts = PartFacts(
            control=data.control,
            head=data.head,
            method=settings.method,
            decoder=TextDecoder(base_model=self._base_model, max_new_tokens=settings.max_new_tokens),
            max_length_tokens=tuning.max_length_tokens,
            score_quantiles=_quantiles(tuning.confidences),
            settings=settings.to_json(),
        )
        metrics = _metrics(tuning)
        run = context.run
        run.log_metrics({f"validation_{name}": value for name, value in metrics.items()})
        run.log_metrics({"trainable_share": tuning.trainable_share})
        run.log_figure(curves_figure(tuning.fit, score="loss"), "training_curves.png")
        if tuning.answered:
            run.log_table(tuning.samples(), "base_and_tuned.json")
        return PartOutcome(
            TrainedPart(facts, context.scratch),
            metrics,
            metrics.get("rouge_l"),
            (*data.warnings, *tuning.warnings),
            _reason(tuning, settings),
            partial(_verify_loss, pairs=tuning.checked, loss=tuning.checked_loss),
        )


def perplexity_of(model: LanguageModel, pairs: Sequence[tuple[str, str]]) -> float:
    """Perplexity of responses to prompts, per token of the responses; not a number without any."""
    length = model.max_length_tokens or GenerationSettings().max_length_tokens
    rows = TokenPairs.of(list(starmap(Pair, pairs)), model.chat_format(), max_length_tokens=length).rows
    return perplexity(holdout_loss(model, rows, tokens_per_pass=GenerationSettings().tokens_per_pass))


def _verify_loss(bundle: Bundle, position: int, *, pairs: Sequence[Pair], loss: float) -> None:
    """Check that the model, read back from a bundle, reads responses as it did when it was trained.

    Raises:
        TrainingError: it does not.
    """
    facts, folder = bundle.manifest.parts[position], bundle.part_folder(position)
    model = load_tuned_model(folder)
    rows = TokenPairs.of(pairs, model.chat_format(), max_length_tokens=facts.max_length_tokens).rows
    loaded = holdout_loss(model, rows, tokens_per_pass=int(facts.settings["tokens_per_pass"]))
    if not abs(loaded - loss) <= TOLERANCE * max(1.0, loss):
        raise TrainingError(
            f"the model in {folder} reads responses otherwise than the one that was trained: its loss is "
            f"{loaded:.4g}, it was {loss:.4g}. Files may have changed on disk: train again."
        )


def _pairs(rows: LabeledTexts) -> list[Pair]:
    return [
        Pair(text, str(target), float(weight))
        for text, target, weight in zip(rows.texts, rows.targets, rows.weights, strict=True)
    ]


def _metrics(tuning: FineTuning) -> dict[str, float]:
    """The tuned model's figures, the base model's as `base_…`, and how much general language was forgotten."""
    base = {f"base_{name}": value for name, value in tuning.base.summary().items() if name != "rows"}
    graph = {} if tuning.graph_difference is None else {"graph_difference": tuning.graph_difference}
    return {**tuning.tuned.summary(), **base, **graph, "forgetting": tuning.forgetting, **tuning.figures}


def _quantiles(confidences: Sequence[float]) -> tuple[float, ...]:
    """The 0th to 100th percentile; evenly spread over all there can be where nothing was written."""
    points = np.linspace(0.0, 1.0, PartFacts.QUANTILES)
    values = np.quantile(np.array(confidences), points) if confidences else points
    return tuple(float(value) for value in values)


def _reason(tuning: FineTuning, settings: GenerationSettings) -> str:
    what = "version that it began with" if settings.method is Method.DPO else "base model"
    course = f"{settings.method} tuned the {what}, and epoch {tuning.fit.best_epoch} of {tuning.fit.epochs} was kept"
    if tuning.base.texts is None or tuning.tuned.texts is None:
        return course
    return (
        f"{course}: ROUGE-L {tuning.tuned.texts.rouge_l:.3f} on {tuning.tuned.texts.rows} validation rows, "
        f"{tuning.base.texts.rouge_l:.3f} before"
    )
