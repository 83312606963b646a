"""Put answers into words, as people read them in a cell of a table."""

import re
from collections.abc import Iterable

from .example import Span, Target, label_of, parts_of, spans_in
from .span_changes import SpanChange, span_changes

__all__ = ["listed", "readable", "readable_suggestion", "shortened"]

NOTHING = "(nothing)"
PIECE_CHARACTERS = 40
SHOWN_PARTS = 20
HALF_SURROGATE = re.compile("[\ud800-\udfff]")


def shortened(text: str, most: int) -> str:
    """Return the text, cut with an ellipsis where it has more than this many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return the first names, and how many more there are, in words."""
    first, more = (every := list(names))[:most], len(every) - most
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def readable(target: Target | None, text: str = "") -> str:
    """Return an answer in words: the name, the names, or the marked pieces of the text; empty for None.

    Args:
        text: what spans are about; without it their places are shown.
    """
    if target is None:
        return ""
    return _listed([_span(part, text) if isinstance(part, Span) else label_of(part) for part in parts_of(target)])


def readable_suggestion(answer: Target, suggested: Target | None, text: str = "") -> str:
    """Return what would be answered instead, in words: for spans what would change, for all else the whole answer."""
    before, after = spans_in(answer), spans_in(suggested)
    if not before and not after:
        return readable(suggested, text)
    return "" if suggested is None else _listed([_change(change, text) for change in span_changes(before, after)])


def _change(change: SpanChange, text: str) -> str:
    span, suggested = change.given, change.suggested
    if span is not None and suggested is not None:
        after = _span(suggested, text)
        is_in_place = (span.start, span.end) == (suggested.start, suggested.end)
        return f"{_span(span, text)} → {suggested.label if is_in_place else after}"
    if span is not None:
        return f"not {_span(span, text)}"
    return f"also {_span(suggested, text)}" if suggested is not None else ""


def _span(span: Span, text: str) -> str:
    piece = HALF_SURROGATE.sub("\ufffd", " ".join(text[span.start : span.end].split()))
    if not piece:
        return f"{span.label} {span.start}-{span.end}"
    return f"“{shortened(piece, PIECE_CHARACTERS)}” {span.label}"


def _listed(parts: list[str]) -> str:
    more = len(parts) - SHOWN_PARTS
    return ", ".join([*parts[:SHOWN_PARTS], *([f"and {more} more"] if more > 0 else [])]) or NOTHING
