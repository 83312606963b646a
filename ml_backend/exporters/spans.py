"""`spans`: entities by the positions of their characters."""

from ..domain.example import Row, Span, parts_of
from ..domain.model import HeadKind
from ..domain.row_json import to_line
from ..errors import ConfigurationError
from .base import ExportRequest, LineExporter, Lines, encodable

__all__ = ["CharacterSpans", "check_entities"]


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

    def check(self, wish: ExportRequest) -> None:
        """Refuse a control that is not answered with entities.

        Raises:
            ConfigurationError: it is another kind.
        """
        check_entities(self.name, wish)

    def lines(self, wish: ExportRequest) -> Lines:
        return _Spans(wish)


class _Spans(Lines):
    def __init__(self, wish: ExportRequest) -> None:
        self._wish = wish

    def text_of(self, row: Row) -> str:
        # One character takes the place of one, so positions hold.
        text = encodable(self._wish.text(row))
        spans = [
            {"start": part.start, "end": part.end, "label": part.label, "text": text[part.start : part.end]}
            for part in parts_of(self._wish.target(row))
            if isinstance(part, Span)
        ]
        return to_line({"id": row.id, "task_id": row.task_id, "text": text, "spans": spans})


def check_entities(format_name: str, wish: ExportRequest) -> None:
    """Refuse a control that is not answered with entities.

    Raises:
        ConfigurationError: it is another kind.
    """
    served = wish.served
    if served.kind.head is not HeadKind.TAGS:
        raise ConfigurationError(
            f"the format {format_name} holds entities, and {served.name!r} is answered with {served.kind.name}; "
            "choose another format, or name the control that marks entities: --control NAME"
        )
