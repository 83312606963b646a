"""Single choices: a label by its number."""

from typing import TYPE_CHECKING, Any

from ...domain.example import Target
from .base import AnswerColumn

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ChoiceColumn"]


class ChoiceColumn(AnswerColumn):
    """One number per row."""

    head = "softmax"

    def value(self, target: Target) -> int:
        return self.number(str(target))

    def type(self) -> "pa.DataType":
        import pyarrow as pa

        return pa.int64()

    def feature(self) -> Any:
        return self.label_feature()
