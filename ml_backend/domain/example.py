"""Rows of a snapshot: what a person said about a text, and how it came about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

from .field_texts import join_fields

__all__ = [
    "AnnotatorLabel",
    "Bucket",
    "Part",
    "PrelabelOutcome",
    "Provenance",
    "Relation",
    "Row",
    "SelectedBy",
    "Span",
    "Target",
    "first_rows",
    "label_of",
    "parts_of",
    "references_of",
    "spans_in",
]

BLANKS = "".join(each for each in map(chr, range(0x3001)) if each.isspace()) + "\u200b\u2060\ufeff"
"""All white space of Unicode, no-break spaces included, and the zero-width spaces."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A labeled piece of a text.

    Attributes:
        start: position of its first character, in Unicode code points, as Python counts them.
        end: position after its last character.
    """

    start: int
    end: int
    label: str

    def trimmed(self, piece: str) -> "Span | None":
        """Return the span without white space at its ends, which people mark by accident; None if nothing is left.

        Args:
            piece: the text that the span marks.
        """
        text = piece.strip(BLANKS)
        start = self.start + len(piece) - len(piece.lstrip(BLANKS))
        return Span(start, start + len(text), self.label) if text else None


class Bucket(NamedTuple):
    """The ids of the items that were sorted into a bucket, the best first."""

    name: str
    ids: tuple[str, ...]


Target: TypeAlias = str | float | tuple[str, ...] | tuple[Span, ...] | tuple[Bucket, ...]
"""What a control was answered with: a class name or text, a number, a sorted tuple of names, or of spans; of a ranking
the ids, the best first, or all buckets."""

Part: TypeAlias = str | float | Span | Bucket
"""What a model may get right or wrong by itself within an answer: a name, a number, a span, or a bucket."""


class Relation(NamedTuple):
    """A relation that an annotator drew from one marked piece to another. No model learns it.

    Attributes:
        direction: `right` from the first to the second, `left` or `bi`, as Label Studio has it.
        labels: its names, none where the annotator chose none.
    """

    from_control: str
    from_span: Span
    to_control: str
    to_span: Span
    direction: str
    labels: tuple[str, ...] = ()

    def is_within(self, targets: Mapping[str, Target]) -> bool:
        """True where both pieces are among these answers."""
        ends = ((self.from_control, self.from_span), (self.to_control, self.to_span))
        return all(span in spans_in(targets.get(control)) for control, span in ends)


class PrelabelOutcome(StrEnum):
    """The outcome of a pre-label: how the annotator treated it."""

    ACCEPTED = "accepted"
    CHANGED = "changed"
    NONE = "none"


class SelectedBy(StrEnum):
    """How the task came before the annotator. UNKNOWN: labelloop did not see the label being made."""

    RANDOM = "random"
    ACTIVE = "active"
    SUSPECT = "suspect"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AnnotatorLabel:
    """One annotator's answers.

    Attributes:
        annotator: Label Studio's user id, as text.
        targets: answer per control name.
        blind: True where the annotator saw no pre-label.
        relations: those between marked pieces of these answers.
    """

    annotator: str
    targets: Mapping[str, Target]
    blind: bool
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a row's targets.

    Attributes:
        lead_time_s: seconds spent by all annotators together, None where nobody measured.
        reviewed_at: ISO 8601 time of the last annotation, None where unknown.
        sources: names of the label sources that propose them; empty where a person or a model gave them.
    """

    annotation_ids: tuple[int, ...]
    lead_time_s: float | None = None
    prelabel: PrelabelOutcome = PrelabelOutcome.NONE
    selected_by: SelectedBy = SelectedBy.UNKNOWN
    reviewed_at: str | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One reviewed task; where several responses to its prompt stand, one of them, see `first_rows`.

    Attributes:
        id: unique within a snapshot.
        input: text per field that is read, in the order of the plan, no other fields.
        targets: the agreed answer per control name; empty for an unresolved row.
        labels: every annotator's own answers.
        weight: factor on the row's loss.
        source: who made the row: a person; a model whose answer was accepted by a certificate; or label sources, whose
            rows are weak and stand in no snapshot: `llm` where no source but prompted language models says so.
        groups: what the task belongs to beside its answers, by the kind of group, such as `field channel: mail` or
            `import batch: 2026-11-30`.
        relations: between marked pieces of the targets.
        drafts: by control, the draft that a person mended to the target, as far as it is at hand; in no snapshot.
    """

    id: str
    task_id: int
    input: Mapping[str, str]
    targets: Mapping[str, Target]
    labels: tuple[AnnotatorLabel, ...]
    provenance: Provenance
    weight: float = 1.0
    source: Literal["human", "accepted", "rationale", "llm"] = "human"
    groups: Mapping[str, str] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
    drafts: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The texts of all fields as one, as `field_texts` joins them."""
        return join_fields(self.input)

    @property
    def is_blind(self) -> bool:
        """True where labelloop saw the row being labeled, and every annotator without a hint."""
        return self.provenance.selected_by is not SelectedBy.UNKNOWN and all(label.blind for label in self.labels)


def first_rows(rows: Iterable[Row]) -> dict[int, Row]:
    """The first row of each task, by task id; the others hold further responses to its prompt, and nothing else."""
    first: dict[int, Row] = {}
    for row in rows:
        first.setdefault(row.task_id, row)
    return first


def parts_of(target: Target) -> tuple[Part, ...]:
    """The name, number, names or spans that an answer consists of."""
    return target if isinstance(target, tuple) else (target,)


def label_of(part: Part) -> str:
    """The label that a part of an answer carries; of a number the number in digits, as ratings have labels."""
    if isinstance(part, Span):
        return part.label
    if isinstance(part, Bucket):
        return f"{part.name}: {', '.join(part.ids)}"
    return part if isinstance(part, str) else f"{part:.12g}"


def references_of(target: Target) -> tuple[str, ...]:
    """The responses that an answer in words consists of: one, or several of which each is right."""
    return tuple(map(str, target)) if isinstance(target, tuple) else (str(target),)


def spans_in(target: Target | None) -> tuple[Span, ...]:
    """The spans of an answer; none where it is of another kind, or there is none."""
    return () if target is None else tuple(part for part in parts_of(target) if isinstance(part, Span))
