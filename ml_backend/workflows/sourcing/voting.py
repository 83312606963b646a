"""The votes of a folder's sources on texts: of those that run in child processes, and of language models."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...arrays import Floats2d
from ...domain.example import Row, spans_in
from ...domain.progress import ProgressCallback
from ...domain.snapshot import Split
from ...domain.source import AnswerForm, LabelSource, SourceFault
from ...errors import SourceError
from ...measuring.votes import Votes
from ...models.decoders.base import decoder_of
from ...sources.kinds.base import AskedControl
from ...sources.runner import SourceRunner
from ...tasks import ServedControl, ServingPlan
from ..features import TextFeatures
from ..services import Services
from .prompted import PromptedSources

if TYPE_CHECKING:
    from ...models.text.torch_encoder import TextEncoder

__all__ = ["FolderVotes", "asked_control", "folder_votes"]


class FolderVotes(NamedTuple):
    """The sources of a folder and their votes, and what went wrong; see `ReadTexts`."""

    sources: tuple[LabelSource, ...] = ()
    faults: Sequence[SourceFault] = ()
    votes: Votes = Votes.of(np.zeros((0, 5), dtype=np.int64))
    stopped: frozenset[int] = frozenset()
    notes: Sequence[str] = ()
    costs: Mapping[str, Mapping[str, Any]] = {}


def folder_votes(
    services: Services,
    folder: Path,
    plan: ServingPlan,
    rows: Sequence[Row],
    texts: Sequence[str],
    *,
    splits: Sequence[Split],
    unasked: Collection[str] = (),
    report: ProgressCallback,
) -> FolderVotes:
    """Have all sources of a folder read the texts, of which the first ones are those of labeled rows.

    Args:
        unasked: names of prompted sources for which nobody is asked; the others read the texts in any case, so that one
            sees how they would do.

    Raises:
        SourceError: the folder holds no source.
    """
    controls = [asked_control(served) for served in plan.labeled]
    marked = _marked_pieces(plan, [row for row, split in zip(rows, splits, strict=False) if split is Split.TRAIN])
    limit_s, embed = services.options.sources.text_timeout_s, _embed(services)
    with SourceRunner(folder, controls, limit_s=limit_s, marked=marked, embed=embed) as runner:
        votes = runner.votes(texts)
    prompted = PromptedSources(
        services, controls, plan, rows, texts, splits, len(runner.sources), report, unasked=unasked
    )
    prompted.ask(folder)
    sources, faults = (*runner.sources, *prompted.sources), [*runner.faults, *prompted.faults]
    if not sources:
        problems = "".join(f"; {fault.sentence}" for fault in faults)
        raise SourceError(
            f"{folder} holds no source; wanted rationales (*.py), gazetteers/, patterns/ or prompts/{problems}"
        )
    return FolderVotes(sources, faults, votes.with_more(prompted.votes), runner.stopped, prompted.notes, prompted.costs)


def asked_control(served: ServedControl) -> AskedControl:
    """Return a control as sources answer it."""
    control = served.control
    if control.marks_regions:
        form = AnswerForm.SPANS
    else:
        form = AnswerForm.ONE if decoder_of(served.kind.head).is_one_label else AnswerForm.SEVERAL
    return AskedControl(control.name, form, control.label_values, control.object.field or "")


def _marked_pieces(plan: ServingPlan, rows: Sequence[Row]) -> dict[str, dict[str, list[str]]]:
    """Return the pieces of texts that people marked, by control and label, each as often as it was marked."""
    pieces: dict[str, dict[str, list[str]]] = {}
    for served in plan.labeled:
        by_label: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            text = served.control.text_in(row.text)
            for span in spans_in(row.targets.get(served.name)) if served.control.marks_regions else ():
                by_label[span.label].append(text[span.start : span.end])
        pieces[served.name] = dict(by_label)
    return pieces


def _embed(services: Services) -> Callable[[Sequence[str]], Floats2d]:
    """Return what computes vectors, by a base model that is loaded when it is first asked."""
    loaded: list[tuple[TextEncoder, TextFeatures]] = []

    def embed(texts: Sequence[str]) -> Floats2d:
        from ...models.text.torch_encoder import TextEncoder

        if not loaded:
            encoder = TextEncoder.load(services.options.models.base_model)
            loaded.append((encoder, TextFeatures(services, encoder)))
        return loaded[0][1].of(texts)

    return embed
