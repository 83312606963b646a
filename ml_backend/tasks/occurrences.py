"""Further places of a text that say what an annotator has just marked, for the editor's Auto-Annotation."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from unicodedata import east_asian_width

import regex

from ..domain.annotation import Region
from ..domain.example import Span, spans_in
from ..domain.model import ScoredTarget
from . import ServingPlan

__all__ = ["drawn_regions", "further_marks"]

# Words stand side by side in these, and Korean ones carry endings; east_asian_width tells Chinese, Japanese and Korean.
UNSPACED = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
SIGN = r"[\p{Grapheme_Cluster_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}\p{Grapheme_Cluster_Break=ZWJ}]"
MOST_MARKS = 200
"""A text may repeat a letter a million times; so many marks, at most, are added to one that was drawn."""


def drawn_regions(params: object) -> tuple[Region, ...] | None:
    """Return what an annotator has just drawn, out of a request's `params`; None where a pre-label is asked for."""
    context = params.get("context") if isinstance(params, dict) else None
    drawn = context.get("result") if isinstance(context, dict) else None
    return tuple(each for each in drawn if isinstance(each, dict)) if isinstance(drawn, list) else None


def further_marks(plan: ServingPlan, drawn: Sequence[Region], text: str) -> list[Region]:
    """Return regions that mark every further occurrence of the drawn marks' words, in their case, as whole words.

    What was drawn is not among them, nor is a place that overlaps it. Labels are those that were drawn.

    Args:
        text: the task's, of all fields that are read.
    """
    regions: list[Region] = []
    for served in (each for each in plan.controls if each.control.marks_regions):
        spans = spans_in(served.answer(drawn, text).target)
        found = tuple(sorted(set(_further(spans, served.control.text_in(text)))))[:MOST_MARKS]
        regions += [
            {**region, "id": _id(drawn, region)} for region in served.regions(ScoredTarget(found, 1.0, {}), text)
        ]
    return regions


def _further(spans: Sequence[Span], text: str) -> Iterator[Span]:
    taken = [(span.start, span.end) for span in spans]
    for span in spans:
        words = text[span.start : span.end]
        for match in regex.finditer(_edge(words[0], before=True) + regex.escape(words) + _edge(words[-1]), text):
            if not any(match.start() < end and start < match.end() for start, end in taken):
                yield replace(span, start=match.start(), end=match.end())


def _edge(letter: str, *, before: bool = False) -> str:
    """Return the pattern of a word's edge; beside a letter that words are written with without spaces, of a letter's.

    A letter ends with the signs on it, and an emoji with what is joined to it.
    """
    is_bordered = regex.match(r"\w", letter) and east_asian_width(letter) not in "WH" and not UNSPACED.match(letter)
    if before:
        return r"(?<!\w)" if is_bordered else r"(?<!\p{Grapheme_Cluster_Break=ZWJ})"
    return r"(?!\w)" if is_bordered else f"(?!{SIGN})"


def _id(drawn: Sequence[Region], region: Region) -> str:
    """Return an id that no other region of the annotation has: pre-labels that it may hold have the control's ids."""
    first: Any = drawn[0].get("id") if drawn else None
    return f"{first}-{region['id']}"
