"""`conll`: one token per line with its IOB2 tag, as CoNLL-2003 has it."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ..domain.example import Row, Span, spans_in
from ..domain.reasons import Reason, ReasonCounts
from ..tasks.entities import without_overlaps
from ..words import tokens
from .base import ExportRequest, LineExporter, RowCounter
from .limits import NotCarried, encodable

__all__: list[str] = []

DOCUMENT_START = "-DOCSTART- -X- _ O\n\n"
WHITE_SPACE = re.compile(r"\s+")


class Conll(LineExporter):
    """Words and punctuation marks, further cut wherever a span starts or ends within one."""

    name = "conll"
    description = "CoNLL-2003 columns (token, -X-, _, IOB2 tag), a line per token, an empty line after each text."
    limits = (
        "One control's entities. White space, characters that are not seen and positions are lost. Of entities that "
        "overlap, the longest is kept (of equals the first), since a token has one tag; rows where that happened are "
        "counted. Spaces in labels become underscores."
    )
    suffix = ".conll"
    carries_one_control = True
    carries_spans = True

    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:
        sentences = _Sentences(request)
        yield from counter.convert(rows, sentences.lines_of)
        counter.notices += sentences.notices()


class _Sentences:
    def __init__(self, request: ExportRequest) -> None:
        self._request = request
        self._is_first = True
        self._cut = ReasonCounts()

    def lines_of(self, row: Row) -> str:
        text = encodable(self._request.text(row))
        all_spans = spans_in(self._request.target(row))
        spans = without_overlaps(all_spans)
        lines = [f"{token} -X- _ {tag}\n" for token, tag in _tagged(text, spans)]
        if not lines:
            raise NotCarried("the text has no token")
        for _ in range(len(all_spans) - len(spans)):
            self._cut.add(Reason.OVERLAPPING_SPAN, row.task_id, self._request.control)
        head, self._is_first = DOCUMENT_START if self._is_first else "", False
        return f"{head}{''.join(lines)}\n"

    def notices(self) -> Iterator[str]:
        for cut in self._cut:
            yield f"{cut.count} entities in {cut.tasks} rows overlap a longer one and are left out ({cut.named_tasks})"


def _tagged(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, str]]:
    """Yield the tokens in order, with their tags.

    Raises:
        NotCarried: a span holds only invisible characters, so no token can carry its tag.
    """
    position = 0
    for span in spans:
        yield from ((token, "O") for token in tokens(text[position : span.start]))
        marked = tokens(text[span.start : span.end])
        if not marked:
            raise NotCarried("an entity holds no token")
        label = WHITE_SPACE.sub("_", span.label)
        yield from ((token, f"{'I' if number else 'B'}-{label}") for number, token in enumerate(marked))
        position = span.end
    yield from ((token, "O") for token in tokens(text[position:]))
