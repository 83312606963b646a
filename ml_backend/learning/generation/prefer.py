"""One training on pairs of responses, from a tuned model to one that people should prefer."""

from collections.abc import Sequence
from dataclasses import replace

from ...domain.preference import Preference
from ...domain.snapshot import normal_form
from ...errors import TrainingError
from ...models.generation.generator import Draft
from ...models.generation.tuned_model import load_adapted_model
from ..loop.meter import ProgressMeter
from ..part import PartContext
from ..rows.data import PreferredResponses
from .bench import Bench, FineTuning
from .data import Pair
from .preferring import PreferringModel, prefers
from .settings import GenerationSettings

__all__ = ["against_drafts", "prefer"]

RESPONSES = 2
"""The two responses of a pair; each is read as a row."""


def prefer(
    preferred: PreferredResponses, holdout: Sequence[Pair], settings: GenerationSettings, context: PartContext
) -> FineTuning:
    """Go on training a tuned model on pairs of responses, and write it to the context's scratch folder.

    Its figures `base_…` are those of the model before.

    Args:
        holdout: pairs of a prompt and an expert's response on which the model is measured before and after.
        context: its deadline includes measuring the tuned model.

    Raises:
        EncoderError: the base model cannot be loaded.
        TrainingError: there are no pairs, the model has no adapter, or the training cannot go on.
    """
    if not preferred.train:
        raise TrainingError("there are no pairs of responses to learn from; mend drafts, or give --preferences DIR")
    model, adapted = load_adapted_model(preferred.start)
    scored = len(preferred.validation) or min(len(holdout), settings.evaluation_rows)
    rows_per_epoch = RESPONSES * (len(preferred.train) + scored * ProgressMeter.FORWARD_SHARE)
    bench = Bench(model, holdout, settings, context, rows_per_epoch=rows_per_epoch)
    former = bench.graphs.former(preferred.start) if bench.answered else bench.generator
    base = bench.measure("former version", former)
    validation = preferred.validation or against_drafts(bench.answered, base.drafts)
    with PreferringModel.going_on(model, adapted, settings) as tuned:
        cuts = tuned.set_preferences(
            preferred.train,
            validation,
            bench.generator.format,
            max_length_tokens=bench.length,
            on_pairs=bench.advancing("measuring", "comparing pairs of responses"),
        )
        learned = [Pair(pair.prompt, pair.chosen) for pair in preferred.train]
        found = bench.tune(tuned, base, learned)
        before, after = tuned.held_out_margins()
    figures = {"pairs": float(len(preferred.train)), "held_out_pairs": float(len(validation))}
    if validation:
        figures |= {
            "preferred": float(prefers(after).mean()),
            "base_preferred": float(prefers(before).mean()),
            "reward_accuracy": float(prefers(after - before).mean()),
        }
    return replace(found, warnings=(*cuts, *found.warnings), figures=figures)


def against_drafts(
    answered: Sequence[tuple[str, Sequence[str]]], drafts: Sequence[Draft | str]
) -> tuple[Preference, ...]:
    """Pairs of an expert's response to a prompt and what a model wrote to it, where the two differ.

    Held-out tasks are blind, so nobody mends drafts of theirs: these pairs stand for mended drafts.
    """
    texts = [draft if isinstance(draft, str) else draft.text for draft in drafts]
    return tuple(
        Preference(prompt, experts[0], text)
        for (prompt, experts), text in zip(answered, texts, strict=True)
        if text.strip() and normal_form(text) not in map(normal_form, experts)
    )
