"""Answers about marked pieces of texts, once it is known which pieces are marked."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from ..domain.example import Part, Span, label_of, spans_in
from ..domain.model import ScoredTarget
from ..tasks import ServedControl
from ..tasks.region_rows import MarkedText, region_text

__all__ = ["answers_per_region"]


def answers_per_region(
    served: ServedControl,
    answer: Callable[[Sequence[str]], Sequence[ScoredTarget | None]],
    texts: Sequence[str],
    rows: Sequence[Mapping[str, ScoredTarget]],
) -> list[ScoredTarget | None]:
    """Return per text the answers about the pieces that its people answered about, or else that the version marks.

    None where it has no piece that the control is asked about. The score is the chance that all answers are right, as
    if they were so independently of each other.

    Args:
        answer: answers texts such as `region_text` makes.
        rows: the version's other answers to each text.
    """
    pieces = [
        text.pieces.get(served.name, ()) if isinstance(text, MarkedText) else list(_asked(served, row))
        for text, row in zip(texts, rows, strict=True)
    ]
    asked = [
        region_text(served.control.text_in(text), piece)
        for text, own in zip(texts, pieces, strict=True)
        for piece in own
    ]
    given = iter(answer(asked) if asked else ())
    return [_together(own, list(islice(given, len(own)))) for own in pieces]


def _asked(served: ServedControl, row: Mapping[str, ScoredTarget]) -> Iterator[Span]:
    """Yield the pieces that a version marks, and about which the control is asked, one of each place."""
    found: dict[tuple[int, int], Span] = {}
    for control in served.marking:
        for span in spans_in(row[control.name].target) if control.name in row else ():
            if served.control.is_asked_about(control.name, span.label):
                found.setdefault((span.start, span.end), span)
    yield from found.values()


def _together(pieces: Sequence[Span], answers: Sequence[ScoredTarget | None]) -> ScoredTarget | None:
    scores: dict[Part, float] = {
        Span(piece.start, piece.end, label_of(answer.target)): answer.score
        for piece, answer in zip(pieces, answers, strict=True)
        if answer is not None and not isinstance(answer.target, tuple)
    }
    if not scores:
        return None
    target = tuple(sorted(span for span in scores if isinstance(span, Span)))
    return ScoredTarget(target, math.prod(scores.values()), scores)
