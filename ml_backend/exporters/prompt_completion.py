"""`prompt-completion`: pairs of texts, as many trainers of language models read them."""

from ..domain.example import Row
from ..domain.row_json import to_line
from .base import ExportRequest, LineExporter, Lines
from .completions import LIMITS, pair_of

__all__ = ["PromptCompletion"]


class PromptCompletion(LineExporter):
    """`{"prompt", "completion"}` per line, nothing added to either."""

    name = "prompt-completion"
    description = 'One JSON object per line: {"prompt": the text, "completion": the answer}.'
    limits = LIMITS
    suffix = ".jsonl"
    carries_one_control = True
    needs_config = False

    def lines(self, wish: ExportRequest) -> Lines:
        return _Pairs(wish)


class _Pairs(Lines):
    def __init__(self, wish: ExportRequest) -> None:
        self._wish = wish

    def text_of(self, row: Row) -> str:
        prompt, completion = pair_of(row, self._wish)
        return to_line({"prompt": prompt, "completion": completion})
