"""Rows that label sources propose: where a training gets them from, and whether it learns from them.

What people said stands in a snapshot, and these rows beside it in a file that is named by its contents.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...atomic_files import atomic_text
from ...domain.example import Provenance, Row
from ...domain.model import WeakRows
from ...domain.ports import Run
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.row_json import row_to_json, to_line
from ...domain.snapshot import Snapshot
from ...domain.source import Proposal
from ...errors import SourceError
from ...labelstudio.plans import plan_of
from ...snapshots.leakage import find_leaks
from ...snapshots.reviewed import BuildSettings
from ...snapshots.store import SnapshotFolder
from ...sources.prompts import PromptFile
from ..exporting.row_source import row_change
from ..jobs.context import JobContext
from ..services import Services
from ..sourcing.propose import proposals
from ..sourcing.read import AskedSnapshot, ReadTexts, folder_for, read_texts

if TYPE_CHECKING:
    from ...learning.classification.settings import TrainingSettings
    from ...learning.rows.data import TrainingData

__all__ = ["ProposedRows", "proposed_rows", "settle_weak_rows"]

FOLDER = "weak-rows"
DIGITS = 4


@dataclass(frozen=True, slots=True)
class ProposedRows:
    """Rows that label sources propose for unlabeled train tasks; no person has confirmed any of them.

    Attributes:
        WEIGHT: the weight of a row that is surely right, where a person's weighs 1; chosen on texts of Banking77's
            training file, see docs/sources.md.
        path: the file that holds them; None where there are none.
        digest: sha256 of the file; empty where there are none.
        repeats: how many more nearly repeat a row that people labeled, and were left out.
        notes: sentences on what went wrong.
    """

    WEIGHT: ClassVar[float] = 0.1

    rows: tuple[Row, ...] = ()
    path: Path | None = None
    digest: str = ""
    repeats: int = 0
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON values, without the rows; empty where there are none."""
        if self.path is None:
            return {}
        return {"rows": len(self.rows), "near_duplicates": self.repeats, "digest": self.digest, "path": str(self.path)}

    def log_to(self, run: Run, name: str) -> None:
        """Record them as an input of a run."""
        if self.path is not None:
            run.log_dataset(self.path, name, self.digest, "training")


@dataclass(frozen=True, slots=True)
class SettledWeakRows:
    """The decision on weak rows.

    Attributes:
        parts: what is trained on, per control.
        decisions: by control: how many weak rows there are, whether they are learned from, and why.
    """

    parts: Sequence["TrainingData"]
    decisions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def proposed_rows(
    services: Services,
    snapshot: Snapshot,
    unlabeled: Project | Path | None,
    folder: str,
    *,
    handling: WeakRows,
    context: JobContext,
) -> ProposedRows:
    """Return rows for unlabeled train tasks on which a source votes, the same at every attempt at a job.

    Held-out tasks give none, and neither do tasks that nearly repeat a row that people labeled, in whatever split.

    Args:
        unlabeled: the project or the file of the tasks; None: there are none.
        folder: of label sources, or of a folder per project; "": none.

    Raises:
        SourceError: the folder cannot be used, and the rows were asked for in any case.
        StudioError, StudioExportError: the tasks cannot be read.
    """
    plan = plan_of(snapshot.manifest)
    if handling is WeakRows.NONE or not folder or unlabeled is None or not plan.labeled:
        return ProposedRows()
    earlier = _earlier(context.checkpoint.get("weak_rows"))
    if earlier is not None:
        return earlier
    context.report(Progress(0.0, "sources", "label sources read the unlabeled tasks"))
    own = folder_for(folder, snapshot.manifest.project.key)
    try:
        read = read_texts(services, own, AskedSnapshot(snapshot, unlabeled), report=context.report)
    except SourceError as error:
        if handling is WeakRows.ROWS:
            raise
        return ProposedRows(notes=(f"no label source was used: {error}",))
    proposed, _ = proposals(read)
    rows = list(row_change(services, plan)(_rows(proposed, read)))
    people = [*(row.text for row in read.rows), *(row.text for row in SnapshotFolder(snapshot.path).unresolved())]
    leaks = find_leaks([row.text for row in rows], people, BuildSettings().near_duplicate_threshold)
    rows = [row for position, row in enumerate(rows) if position not in leaks]
    notes = (*(fault.sentence for fault in read.faults), *read.asked)
    if not rows:
        return ProposedRows(notes=(*notes, "label sources propose nothing for unlabeled train tasks"))
    lines = [to_line(row_to_json(row)) for row in rows]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    path = services.options.snapshots_folder / snapshot.manifest.project.key / FOLDER / f"{digest[:16]}.jsonl"
    with atomic_text(path) as file:
        file.writelines(lines)
    found = ProposedRows(tuple(rows), path, digest, len(leaks), notes)
    context.keep(weak_rows={**found.facts, "notes": list(notes)})
    return found


def settle_weak_rows(
    services: Services,
    parts: Sequence["TrainingData"],
    handling: WeakRows,
    settings: "TrainingSettings",
    context: JobContext,
    *,
    base_model: str,
    report: ProgressCallback,
) -> SettledWeakRows:
    """Decide control by control whether the weak rows are learned from, the same at every attempt at a job.

    Raises:
        EncoderError: the base model cannot be loaded.
    """
    from ...learning.classification.weak_rows import compare_weak_rows, limited_weak_rows
    from ...models.graphs.store import GraphStore
    from ...models.text.torch_encoder import TextEncoder

    if not any(len(data.weak) for data in parts):
        return SettledWeakRows(parts)
    decisions: dict[str, dict[str, Any]] = dict(context.checkpoint.get("weak_decisions", {}))
    encoder = TextEncoder.load(base_model, max_length_tokens=settings.max_length_tokens)
    graphs = GraphStore(services.options.graphs_folder) if services.options.serving.exports_graphs else None
    settled = []
    for whole in parts:
        data = limited_weak_rows(encoder, whole, seed=settings.seed)
        if len(data.weak) and data.control not in decisions:
            decision: dict[str, Any] = {"rows": len(data.weak), "is_kept": True, "reason": "they were asked for"}
            if handling is WeakRows.AUTO:
                report(Progress(0.0, "comparing", f"a regression with and without {len(data.weak)} weak rows"))
                found = compare_weak_rows(encoder, data, settings, graphs)
                decision["reason"] = "people have labeled too few rows to learn from without them, or to compare"
                if found is not None:
                    decision |= {
                        "is_kept": not found.is_worse,
                        "reason": found.sentence,
                        "with_weak_rows": round(found.with_weak, DIGITS),
                        "without_weak_rows": round(found.without_weak, DIGITS),
                    }
            decisions[data.control] = decision
            context.keep(weak_decisions=decisions)
        is_kept = bool(decisions.get(data.control, {}).get("is_kept"))
        settled.append(data if is_kept else data.without_weak)
    return SettledWeakRows(settled, decisions)


def _earlier(facts: Mapping[str, Any] | None) -> ProposedRows | None:
    """Return what an earlier attempt at the job has written; None where it has not, or the file is not here."""
    if facts is None or not (path := Path(facts["path"])).is_file():
        return None
    with path.open(encoding="utf-8", newline="\n") as lines:
        rows = tuple(map(SnapshotFolder.row_from_line, lines))
    return ProposedRows(rows, path, facts["digest"], facts["near_duplicates"], tuple(facts["notes"]))


def _rows(proposed: Sequence[Proposal], read: ReadTexts) -> list[Row]:
    """Return rows in the order of task ids, so that the same ones have the same digest."""
    labeled = len(read.rows)
    prompted = {source.name for source in read.sources if source.kind == PromptFile.KIND}
    texts = dict(zip(read.task_ids[labeled:], read.texts[labeled:], strict=True))
    return [
        Row(
            f"weak-{each.task_id}",
            each.task_id,
            read.plan.input_of(texts[each.task_id]),
            each.targets,
            (),
            Provenance((), sources=each.by),
            weight=round(ProposedRows.WEIGHT * each.confidence, DIGITS + 2),
            source="llm" if prompted.issuperset(each.by) else "rationale",
        )
        for each in sorted(proposed, key=lambda each: each.task_id)
    ]
