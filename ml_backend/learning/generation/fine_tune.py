"""One fine-tuning from pairs to a model on disk, measured against its base."""

from collections.abc import Sequence
from dataclasses import replace

from ...domain.model import Method
from ...errors import TrainingError
from ...models.generation.language_model import LanguageModel
from ..loop.meter import ProgressMeter
from ..part import PartContext
from .bench import Bench, FineTuning
from .data import Pair
from .settings import GenerationSettings
from .tuned import TunedLanguageModel

__all__ = ["fine_tune"]


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
    rows_per_epoch = len(train) + len(holdout) * ProgressMeter.FORWARD_SHARE
    bench = Bench(model, holdout, settings, context, rows_per_epoch=rows_per_epoch)
    base = bench.measure("base model", bench.graphs.base() if bench.answered else bench.generator)
    rows = bench.tokens(train)
    with TunedLanguageModel.over(model, settings) as tuned:
        tuned.set_rows(
            rows,
            bench.holdout,
            on_holdout_rows=bench.advancing("training", "measuring the holdout loss"),
        )
        found = bench.tune(tuned, base, train)
    return replace(found, warnings=(*rows.warnings("train rows"), *found.warnings))
