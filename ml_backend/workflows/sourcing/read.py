"""The votes of a folder's sources on all texts of a project or of files, labeled or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Bools, Floats, Ints
from ...domain.example import Row, Target, first_rows, parts_of, spans_in
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.reasons import Reason, ReasonCounts
from ...domain.snapshot import Snapshot, Split
from ...domain.source import AnswerForm, LabelSource, SourceFault
from ...errors import ConfigurationError
from ...labelstudio.files.flat_file import FlatFile
from ...labelstudio.files.notes import FileNotes
from ...labelstudio.plans import plan_of
from ...measuring.label_model import precisions
from ...measuring.source_quality import Answers, SourceFigures, judged, measured_sources
from ...measuring.votes import VotedPart, Votes
from ...snapshots.store import SnapshotFolder
from ...sources.kinds.base import AskedControl
from ...tasks import ServingPlan
from ..exporting.row_source import RowSource, plan_of_file
from ..selecting.candidates import Candidates, file_candidates, project_candidates
from ..services import Services
from .explained import GivenReasons
from .switching import switched_off
from .voting import FolderVotes, asked_control, folder_votes

__all__ = ["AskedFiles", "AskedSnapshot", "JudgedControl", "ReadTexts", "folder_for", "read_texts"]


class AskedFiles(NamedTuple):
    """Files instead of a project.

    Attributes:
        export: what people labeled.
        tasks: further tasks without a label; None: those of the export alone.
    """

    export: Path
    label_config: str
    tasks: Path | None = None


class AskedSnapshot(NamedTuple):
    """The rows of a snapshot, with their splits, and tasks without a label.

    Attributes:
        unlabeled: the project, or the file, that these are of.
    """

    snapshot: Snapshot
    unlabeled: Project | Path


@dataclass(frozen=True, slots=True, eq=False)
class JudgedControl:
    """A control, what its sources say, and what people say about that.

    Attributes:
        sources: their numbers.
        votes: theirs.
        verdicts: 1 for a right vote, 0 for a wrong one, -1 where nobody has answered, where nobody may look, and where
            the source was made from that answer; shape (V,).
        chances: of each label, by train rows, shape (K,).
        answers: what people said in train and validation rows.
        figures: of its sources, by number.
        off: why sources are switched off, by number.
    """

    asked: AskedControl
    sources: tuple[int, ...]
    votes: Votes
    verdicts: Ints
    chances: Floats
    answers: Answers
    figures: Mapping[int, SourceFigures]
    off: Mapping[int, str]

    def shown(self, part: VotedPart, text: str) -> str:
        """Return in words what a vote says about a text."""
        label, start, end = part
        name = self.asked.labels[label]
        return f"{text[start:end]!r} is {name}" if self.asked.form is AnswerForm.SPANS else name

    @property
    def votes_on(self) -> Votes:
        """The votes of the sources that are on."""
        return self.votes.of_sources(number for number in self.sources if number not in self.off)


@dataclass(frozen=True, eq=False)
class ReadTexts:
    """All texts, labeled ones first, and the votes on them.

    Attributes:
        task_ids: of all texts.
        texts: all that is read of each.
        splits: of all texts.
        rows: what people labeled, for the first texts.
        notes: sentences on what to know before the figures are believed.
        reasons: that people gave; none for a snapshot, whose rows do not hold them.
        costs: of prompted sources, by name, per 1,000 texts.
        asked: those of the notes that are about prompted sources: who was asked, and what is without an answer.
        switched_off: why sources are off that somebody has switched off, by their names.
    """

    plan: ServingPlan
    sources: tuple[LabelSource, ...]
    faults: Sequence[SourceFault]
    task_ids: Sequence[int]
    texts: Sequence[str]
    splits: Sequence[Split]
    rows: Sequence[Row]
    votes: Votes
    stopped: frozenset[int]
    floor: float
    notes: Sequence[str] = ()
    reasons: GivenReasons = field(default_factory=GivenReasons)
    costs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    asked: Sequence[str] = ()
    switched_off: Mapping[str, str] = field(default_factory=dict)

    def text_of(self, control: "JudgedControl", row: int) -> str:
        """Return what the answer to a control is about, in a labeled row or another text."""
        return self.plan.about(control.asked.name, self.texts[row])

    def in_split(self, split: Split) -> Bools:
        """Return which texts are labeled rows of a split, shape (N,)."""
        return np.array(
            [number < len(self.rows) and each is split for number, each in enumerate(self.splits)], dtype=np.bool_
        )

    @cached_property
    def controls(self) -> list[JudgedControl]:
        """The controls that are answered with labels, in the order of the config."""
        return [self._judged(asked_control(served)) for served in self.plan.labeled]

    def trust(self, control: JudgedControl) -> Floats:
        """Return the precision of every source that is on as far as it is known, shape (S,)."""
        is_on = ~np.isin(control.votes.source, sorted(control.off))
        classes = len(control.asked.labels) if control.asked.form is AnswerForm.ONE else 0
        return precisions(control.votes_on, control.verdicts[is_on], sources=len(self.sources), classes=classes)

    def _judged(self, asked: AskedControl) -> JudgedControl:
        sources = tuple(k for k, source in enumerate(self.sources) if source.control == asked.name)
        votes = self.votes.of_sources(sources)
        # Test rows judge versions, and nothing else.
        readable = [number for number, split in enumerate(self.splits[: len(self.rows)]) if split is not Split.TEST]
        answers = {
            number: parts
            for number in readable
            if (parts := _parts(asked, self.rows[number].targets.get(asked.name))) is not None
        }
        train, blind = (self.in_split(split) for split in (Split.TRAIN, Split.VALIDATION))
        learns = np.array([source.learns for source in self.sources], dtype=np.bool_)
        verdicts = np.where(train[votes.row] & learns[votes.source], -1, judged(votes, answers))
        figures = measured_sources(votes, verdicts, train=train, blind=blind, sources=sources, form=asked.form)
        counts = np.ones(len(asked.labels))
        for number in readable:
            for label, _, _ in answers.get(number, ()) if train[number] else ():
                counts[label] += 1
        chances = counts / (counts.sum() if asked.form is AnswerForm.ONE else train.sum() + 2)
        switched = {k: self.switched_off.get(self.sources[k].name) for k in sources}
        off = {k: why for k in sources if (why := switched[k] or self.measured_off(k, figures[k]))}
        return JudgedControl(asked, sources, votes, verdicts, chances, answers, figures, off)

    def measured_off(self, number: int, figures: SourceFigures) -> str:
        """Return why a source is off by what was measured, whatever somebody has switched; empty where it is not.

        As with flags, a share must be below the floor with confidence: few votes may be wrong by bad luck.
        """
        if number in self.stopped:
            return "it was stopped; see its fault"
        for rows, share in (("blind validation", figures.blind), ("train", figures.train)):
            if share.is_surely_below(self.floor):
                found = f"{share.right} of its {share.decided} votes on {rows} rows are right"
                return f"{found}, surely less than {self.floor:.0%}"
        return ""


def read_texts(
    services: Services,
    folder: Path | None,
    asked: Project | AskedFiles | AskedSnapshot,
    *,
    floor: float | None = None,
    labeled_alone: bool = False,
    report: ProgressCallback = Progress.ignore,
) -> ReadTexts:
    """Have the sources of a folder read a project's texts, or those of files or of a snapshot.

    Args:
        folder: None: no source reads them.
        floor: precision below which a source is switched off; None: by the settings.
        labeled_alone: leave out what nobody has labeled.
        report: called while a language model is asked, which takes long.

    Raises:
        SourceError: the folder cannot be used.
        StudioError: Label Studio does not answer.
        StudioExportError, LabelConfigError: a file is not what it should be.
        SnapshotError: the snapshot is damaged.
        ConfigurationError: no control is answered with labels.
    """
    notes = FileNotes()
    sentences: tuple[str, ...] = ()
    if isinstance(asked, AskedSnapshot):
        source = _beside_snapshot(services, asked, notes)
    elif isinstance(asked, Project):
        source = RowSource.of_project(services, asked)
    else:
        plan, sentences = plan_of_file(services, asked.export, asked.label_config)
        source = RowSource.of_file(services, asked.export, plan, notes, services.options.labels.split)
    if not source.plan.labeled:
        raise ConfigurationError("no control of the label config is answered with labels; sources answer no others")
    given, reasons = GivenReasons(), ReasonCounts()
    source = replace(source, tasks=given.reading(source.tasks, source.plan))
    rows, settled = _labeled(source, asked, reasons)
    asked_tasks = asked.unlabeled if isinstance(asked, AskedSnapshot) else asked
    off = switched_off(services, asked_tasks) if isinstance(asked_tasks, Project) else {}
    unlabeled = Candidates() if labeled_alone else _unlabeled(services, source, asked_tasks, notes)
    texts = [*(row.text for row in rows), *unlabeled.texts]
    open_texts = texts[len(settled) :]
    splits = [*settled, *(Split.TRAIN if source.splits is None else source.splits.of(text) for text in open_texts)]
    given.settle(services, source.plan, rows, splits)
    voted = FolderVotes()
    if folder is not None:
        voted = folder_votes(services, folder, source.plan, rows, texts, splits=splits, unasked=off, report=report)
    precision_floor = services.options.sources.precision_floor
    return ReadTexts(
        source.plan,
        voted.sources,
        voted.faults,
        [*(row.task_id for row in rows), *unlabeled.task_ids],
        texts,
        splits,
        rows,
        voted.votes,
        voted.stopped,
        precision_floor if floor is None else floor,
        (*sentences, *notes.sentences, *_left_out(reasons), *_blindness(rows, splits), *voted.notes),
        given,
        voted.costs,
        voted.notes,
        off,
    )


def folder_for(folder: str | Path, project_key: str) -> Path:
    """Return the folder of a project's label sources: one that is named like its snapshots, or all of it."""
    own = Path(folder) / project_key
    return own if own.is_dir() else Path(folder)


def _parts(asked: AskedControl, target: Target | None) -> frozenset[tuple[int, int, int]] | None:
    """Return an answer as votes are compared with it; None where nobody answered."""
    if target is None:
        return None
    places = {label: number for number, label in enumerate(asked.labels)}
    if asked.form is AnswerForm.SPANS:
        return frozenset((places[s.label], s.start, s.end) for s in spans_in(target) if s.label in places)
    return frozenset((places[str(part)], 0, 0) for part in parts_of(target) if str(part) in places)


def _labeled(
    source: RowSource, asked: Project | AskedFiles | AskedSnapshot, reasons: ReasonCounts
) -> tuple[list[Row], list[Split]]:
    """Return what people labeled, and the splits of these rows; none where those of their texts hold.

    Args:
        reasons: counts what is left out.
    """
    if not isinstance(asked, AskedSnapshot):
        return list(first_rows(source.rows(reasons)).values()), []
    folder = SnapshotFolder(asked.snapshot.path)
    found = [(row, split) for split in Split for row in first_rows(folder.rows(split)).values()]
    return [row for row, _ in found], [split for _, split in found]


def _beside_snapshot(services: Services, asked: AskedSnapshot, notes: FileNotes) -> RowSource:
    """Return the source of the tasks that lie beside a snapshot's, read and split as its rows were."""
    manifest = asked.snapshot.manifest
    if isinstance(asked.unlabeled, Project):
        return replace(RowSource.of_project(services, asked.unlabeled), plan=plan_of(manifest))
    return RowSource.of_file(services, asked.unlabeled, plan_of(manifest), notes, manifest.split)


def _unlabeled(
    services: Services, source: RowSource, asked: Project | AskedFiles | Path, notes: FileNotes
) -> Candidates:
    """Return the tasks that nobody has labeled."""
    if isinstance(asked, Project):
        return project_candidates(services, asked, source)
    if isinstance(asked, Path):
        return file_candidates(asked, source, notes)
    # A table of answers lists labeled tasks alone.
    own = Candidates() if FlatFile(asked.export).is_flat() else file_candidates(asked.export, source, FileNotes())
    if asked.tasks is None:
        return own
    more = file_candidates(asked.tasks, source, notes)
    return Candidates([*own.task_ids, *more.task_ids], [*own.texts, *more.texts], [*own.scores, *more.scores])


def _left_out(reasons: ReasonCounts) -> list[str]:
    """Say why labeled tasks gave no row."""
    return [each.line for each in reasons if each.reason is not Reason.NOT_ANNOTATED]


def _blindness(rows: Sequence[Row], splits: Sequence[Split]) -> list[str]:
    """Say how many validation labels may not be blind, since labelloop did not see them being made."""
    validation = [row for row, split in zip(rows, splits, strict=False) if split is Split.VALIDATION]
    unknown = sum(not any(label.blind for label in row.labels) for row in validation)
    if not validation:
        return ["no validation row is labeled, so no precision is known on blind rows"]
    if not unknown:
        return []
    many = f"{unknown} of {len(validation)} validation rows have labels that labelloop did not see being made"
    return [f"{many}; they count as blind, and may not be"]
