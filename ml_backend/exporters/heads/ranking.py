"""Rankings: ids, the best first, or buckets with the ids in each."""

from typing import Any

from ...domain.example import Bucket, Target, parts_of
from ...tasks import ServedControl
from .base import AnswerColumn

__all__: list[str] = []


class RankingColumn(AnswerColumn):
    """A list of strings per row; where there are buckets, a list of these in the order of the config."""

    head = "ranking"

    def __init__(self, served: ServedControl) -> None:
        super().__init__(served)
        self._has_buckets = bool(served.control.buckets)

    def value(self, target: Target) -> list[Any]:
        parts = parts_of(target)
        if not self._has_buckets:
            return [str(part) for part in parts]
        return [{"bucket": part.name, "ids": list(part.ids)} for part in parts if isinstance(part, Bucket)]

    def feature(self) -> Any:
        text = {"dtype": "string", "_type": "Value"}
        ids = {"feature": text, "_type": "Sequence"}
        return [{"bucket": text, "ids": ids}] if self._has_buckets else ids
