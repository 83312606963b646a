"""Edited copies of train rows: which of them a training learns from, and whether it does.

They are made anew from the train rows and the seed at every attempt; only what a language model wrote is kept.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...domain.model import WeakRows
from ...domain.ports import Predictor
from ...domain.progress import Progress, ProgressCallback
from ..jobs.context import JobContext
from ..services import Services
from .rewording import Rewordings

if TYPE_CHECKING:
    from ...learning.classification.settings import TrainingSettings
    from ...learning.rows.data import TrainingData

__all__ = ["settle_edited_rows"]

WEIGHT = 0.1
"""The weight of a copy, where its row weighs 1: on Banking77 larger ones lower the score, see docs/edited-copies.md."""


def settle_edited_rows(
    services: Services,
    parts: Sequence["TrainingData"],
    handling: WeakRows,
    settings: "TrainingSettings",
    context: JobContext,
    *,
    project_key: str,
    base_model: str,
    held_out: Sequence[str] | None,
    report: ProgressCallback,
) -> tuple[Sequence["TrainingData"], Mapping[str, Mapping[str, Any]]]:
    """Return what is trained on per control, and by control how many copies there are, whether they are kept, and why.

    Entities have none: an edit would move them. With AUTO, copies are learned from only where a regression is better
    with them.

    Args:
        held_out: texts that no rewording may nearly repeat; None: nothing is reworded by a language model.

    Raises:
        ConfigurationError, TextServerError: rows are to be reworded, and there is no language model to do it.
        EncoderError: the base model cannot be loaded.
        TrackingError: the champion's files cannot be fetched.
    """
    if handling is WeakRows.NONE:
        return parts, {}
    from ...learning.classification.weak_rows import compare_weak_rows, limited_weak_rows
    from ...models.graphs.store import GraphStore
    from ...models.text.torch_encoder import TextEncoder

    champion = services.versions.champion(project_key)
    predictor = services.load_predictor(services.versions.at_hand(champion).path) if champion else None
    encoder = TextEncoder.load(base_model, max_length_tokens=settings.max_length_tokens)
    graphs = GraphStore(services.options.graphs_folder) if services.options.serving.exports_graphs else None
    decisions: dict[str, dict[str, Any]] = dict(context.checkpoint.get("edited_decisions", {}))
    reworded = Rewordings()
    if held_out is not None:
        texts = list(dict.fromkeys(text for data in parts for text in _copied_texts(data)))
        reworded = Rewordings.of(services, texts, context.folder, held_out=held_out, report=report)
    settled = []
    for data in parts:
        copied, disagreed = _with_copies(data, predictor, reworded.by_text, seed=settings.seed)
        copied = limited_weak_rows(encoder, copied, seed=settings.seed)
        count = len(copied.weak)
        if count and data.control not in decisions:
            decision: dict[str, Any] = {"rows": count, "disagreed": disagreed, "is_kept": True}
            decision["reason"] = "they were asked for"
            if held_out is not None:
                decision["reworded"] = reworded.facts
            if handling is WeakRows.AUTO:
                report(Progress(0.0, "comparing", f"a regression with and without {count} edited copies"))
                found = compare_weak_rows(encoder, copied, settings, graphs)
                decision["is_kept"] = found is not None and found.is_better
                decision["reason"] = found.sentence if found else "no row can be scored, so nothing speaks for them"
            decisions[data.control] = decision
            context.keep(edited_decisions=decisions)
        is_kept = bool(decisions.get(data.control, {}).get("is_kept"))
        settled.append(data.plus_weak(copied.weak, copied.origins) if is_kept else data)
    return settled, decisions


def _has_copies(data: "TrainingData") -> bool:
    """Return True for texts that have labels as a whole."""
    from ...learning.objectives.base import Objective
    from ...learning.objectives.whole_texts import WholeTextObjective

    return bool(data.labels) and isinstance(Objective.of(data.head, data.labels), WholeTextObjective)


def _copied_texts(data: "TrainingData") -> list[str]:
    """Return the texts of rows that may be copied."""
    from ...learning.rows.edits import rare_rows

    return [data.train.texts[position] for position in rare_rows(data.train.targets)] if _has_copies(data) else []


def _with_copies(
    data: "TrainingData", champion: Predictor | None, rewordings: Mapping[str, str], *, seed: int
) -> tuple["TrainingData", int]:
    """Return the train rows with copies as the only weak rows, and how many copies the champion's answers ruled out.

    The champion need not be right about a copy, but must answer it as it answers the row itself.
    """
    from ...learning.rows.data import LabeledTexts
    from ...learning.rows.edits import edited_copies

    plain = data.without_weak
    if not _has_copies(data):
        return plain, 0
    copies = edited_copies(data.train.texts, data.train.targets, seed=seed, rewordings=rewordings)
    made = len(copies)
    if champion is not None and copies:
        answers = champion.predict([text for text, _ in copies])
        originals = champion.predict([data.train.texts[position] for _, (position, _) in copies])
        pairs = zip(copies, answers, originals, strict=True)
        copies = [
            copy
            for copy, answer, original in pairs
            if answer is None
            or original is None
            or data.control not in original
            or (data.control in answer and answer[data.control].target == original[data.control].target)
        ]
    origins = np.array([rows for _, rows in copies], dtype=np.int64).reshape(len(copies), 2)
    rows = LabeledTexts(
        tuple(text for text, _ in copies),
        tuple(data.train.targets[position] for position, _ in origins),
        WEIGHT * data.train.weights[origins].min(axis=1),
    )
    return plain.plus_weak(rows, origins), made - len(copies)
