"""`spans`: entities by the positions of their characters."""

from collections.abc import Iterable, Iterator

from ..domain.example import Row, Span, parts_of
from ..domain.row_json import to_line
from .base import ExportRequest, LineExporter, RowCounter
from .limits import encodable

__all__: list[str] = []


class CharacterSpans(LineExporter):
    """The text and its spans per line; overlapping ones too."""

    name = "spans"
    description = 'One JSON object per line: {"id", "task_id", "text", "spans": [{"start", "end", "label", "text"}]}.'
    limits = (
        "One control's entities, overlapping ones too. Positions count Unicode code points, the end exclusive, as "
        "Python does. Annotators, weights and provenance are left out."
    )
    suffix = ".jsonl"
    carries_one_control = True
    carries_spans = True

    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:
        def line(row: Row) -> str:
            # One character takes the place of one, so positions hold.
            text = encodable(request.text(row))
            spans = [
                {"start": part.start, "end": part.end, "label": part.label, "text": text[part.start : part.end]}
                for part in parts_of(request.target(row))
                if isinstance(part, Span)
            ]
            return to_line({"id": row.id, "task_id": row.task_id, "text": text, "spans": spans})

        return counter.convert(rows, line)
