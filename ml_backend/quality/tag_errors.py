"""Marked pieces of texts that are likely wrong, or missing, from what a model says of each word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import AnyFloats, Bools, Floats, Ints
from ..domain.example import Span
from ..models.decoders.tags import best_tags, spans_of
from ..models.text.tokenised import TokenisedTexts
from .label_errors import label_errors

__all__ = ["TagErrors", "tag_errors"]


SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class TagErrors:
    """What the marks in texts look like.

    Attributes:
        quality: how likely all marks of a text are right, shape (N,), 0 to 1, never NaN; 1 for a text without a word.
        suggested: per text its spans with those set right that are likely wrong; the given ones where none is.
        is_judged: False where nothing can be said, since all words are marked alike.
    """

    quality: Floats
    suggested: tuple[tuple[Span, ...], ...]
    is_judged: bool


def tag_errors(
    given: Sequence[tuple[Span, ...]],
    labels: Sequence[str],
    probabilities: AnyFloats,
    codes: Ints,
    reading: TokenisedTexts,
) -> TagErrors:
    """The quality of the marks in texts, and the spans that look right instead.

    Every word is judged as a single choice between the labels and none of them: begin and inside of a label are one
    class, since which of them it is hardly ever is the mistake, and thin classes are hard to judge. A text is as good
    as its least likely word (self-confidence and `min` of `cleanlab.token_classification.rank`; Wang and Mueller
    2022). Words are flagged as `label_errors` flags rows; the likeliest spans take the place of the given ones
    wherever a flagged word lies in a piece about which the two differ. So what comes out is a missed span, a spurious
    one, a wrong boundary or a wrong label, and marks that nothing speaks against stay as they are.

    Args:
        given: spans per text of the reading, as people marked them; they may overlap.
        probabilities: per unit of the reading and tag, shape (U, 2K + 1), of a model that was not trained on the text.
        codes: tag per unit that the given spans amount to, shape (U,).
    """
    chances = np.concatenate([probabilities[:, :1], probabilities[:, 1::2] + probabilities[:, 2::2]], axis=1)
    classes = (codes + 1) // 2
    found = label_errors(classes, chances)
    own = chances[np.arange(len(classes)), classes].astype(np.float64)
    quality, suggested = np.ones(len(given)), []
    for text, spans in enumerate(given):
        units = slice(int(reading.unit_starts[text]), int(reading.unit_starts[text + 1]))
        flagged = _places(reading, units, found.is_error[units])
        quality[text] = np.clip(own[units].min(initial=1.0), 0.0, 1.0)
        if not flagged:
            suggested.append(spans)
            continue
        tags = best_tags(np.log(np.maximum(probabilities[units].astype(np.float64), SMALLEST)))
        suggested.append(_corrected(spans, spans_of(tags, reading, text, labels), flagged))
    return TagErrors(quality, tuple(suggested), bool(found.is_judged.any()))


def _places(reading: TokenisedTexts, units: slice, chosen: Bools) -> list[tuple[int, int]]:
    """Characters from and to of the chosen units."""
    if reading.spans is None:
        return []
    return [(int(start), int(end)) for start, end in reading.spans[units][chosen]]


def _corrected(
    given: tuple[Span, ...], likely: tuple[Span, ...], flagged: Sequence[tuple[int, int]]
) -> tuple[Span, ...]:
    """The given spans, but the likely ones in each stretch of the text with a flagged place."""
    kept: list[Span] = []
    for start, end, stretch in _stretches({*given, *likely}):
        is_doubtful = any(begin < end and start < after for begin, after in flagged)
        kept += [span for span in stretch if span in (likely if is_doubtful else given)]
    return tuple(sorted(kept))


def _stretches(spans: set[Span]) -> Iterator[tuple[int, int, list[Span]]]:
    """Characters from and to of spans that overlap one another, and these spans, in the order of the text."""
    stretch: list[Span] = []
    end = 0
    for span in sorted(spans):
        if stretch and span.start >= end:
            yield stretch[0].start, end, stretch
            stretch = []
        end = max(end, span.end) if stretch else span.end
        stretch.append(span)
    if stretch:
        yield stretch[0].start, end, stretch
