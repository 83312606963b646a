"""Marked pieces as texts, so that whatever reads and learns texts does so with a piece and the words around it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..domain.example import Row, Span, spans_in
from ..domain.field_texts import field_texts, join_fields
from . import ServedControl, find_kinds
from .regions import RegionKind

__all__ = ["MarkedText", "per_region", "region_text", "rows_per_region"]

CONTEXT_WORDS = 10
"""Words on either side of a piece that are read with it."""


class MarkedText(str):
    """A text with the pieces that are asked about, where these are known: by itself a model asks about what it marks.

    Attributes:
        pieces: per control that is asked per region, with the labels of the marks.
    """

    pieces: Mapping[str, Sequence[Span]]

    @classmethod
    def of(cls, row: Row, controls: Sequence[ServedControl]) -> str:
        """Return the text of a row, with the pieces that its people answered about."""
        pieces = {
            served.name: [_labeled(span, row, served) for span in spans_in(row.targets[served.name])]
            for served in controls
            if served.marking and served.name in row.targets
        }
        if not pieces:
            return row.text
        text = cls(row.text)
        text.pieces = pieces
        return text


def region_text(text: str, piece: Span) -> str:
    """Return what is read of a marked piece: its label, its words, and some before and after it, a field each."""
    return join_fields(
        {
            "label": piece.label,
            "mark": text[piece.start : piece.end],
            "before": " ".join(text[: piece.start].split()[-CONTEXT_WORDS:]),
            "after": " ".join(text[piece.end :].split()[:CONTEXT_WORDS]),
        }
    )


def per_region(served: ServedControl) -> ServedControl:
    """Return a control that is asked per region as one that is asked about each region by itself."""
    attributes = {name: value for name, value in served.control.attributes.items() if name != "perregion"}
    kind = find_kinds()[served.kind.kind_of_each]
    return ServedControl(replace(served.control, attributes=attributes, conditions=()), kind)


def rows_per_region(rows: Sequence[Row], served: ServedControl) -> Iterator[Row]:
    """Yield a row per marked piece that people answered about."""
    for row in rows:
        about = served.control.text_in(row.text)
        for span in spans_in(row.targets.get(served.name)):
            text = region_text(about, _labeled(span, row, served))
            answer = served.kind.answer_named(span.label) if isinstance(served.kind, RegionKind) else span.label
            yield replace(
                row,
                id=f"{row.id}-{span.start}-{span.end}",
                input=field_texts(text),
                targets={served.name: answer},
                labels=(),
                relations=(),
            )


def _labeled(span: Span, row: Row, served: ServedControl) -> Span:
    """Return the piece with the labels of the marks that stand there in the row's answers."""
    labels = [
        each.label
        for control in served.marking
        for each in spans_in(row.targets.get(control.name))
        if (each.start, each.end) == (span.start, span.end)
    ]
    return Span(span.start, span.end, ", ".join(labels))
