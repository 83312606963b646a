"""Written answers: texts."""

from typing import TYPE_CHECKING, Any

from ...domain.example import Target
from ..limits import encodable
from .base import AnswerColumn

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TextColumn"]


class TextColumn(AnswerColumn):
    """A text per row."""

    head = "text"

    def value(self, target: Target) -> str:
        return encodable(str(target))

    def type(self) -> "pa.DataType":
        import pyarrow as pa

        return pa.string()

    def feature(self) -> Any:
        return {"dtype": "string", "_type": "Value"}
