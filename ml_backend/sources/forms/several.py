"""Any number of labels per text."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...domain.example import Target, parts_of
from ...domain.source import AnswerForm
from .base import FormedAnswer, LabelNames, PromptForm

__all__: list[str] = []

KEY = "labels"


class SeveralLabels(PromptForm):
    """`{"labels": ["…"]}`; where no JSON comes back, the labels that the answer names."""

    form = AnswerForm.SEVERAL
    instruction = (
        "List all labels that apply; an empty list where none does. Answer with JSON alone: "
        f'{{"{KEY}": ["<label>", …]}}'
    )
    max_tokens = 256

    def schema(self, names: Sequence[str]) -> Mapping[str, Any]:
        return {KEY: {"type": "array", "items": {"type": "string", "enum": list(names)}}}

    def example(self, target: Target, text: str, names: LabelNames) -> Mapping[str, Any]:  # noqa: ARG002 (spans need it)
        return {KEY: [names.name(str(part)) for part in parts_of(target)]}

    def read(self, value: Any, written: str, text: str, names: LabelNames) -> FormedAnswer | None:  # noqa: ARG002
        given = PromptForm.only(value, KEY)
        given = [given] if isinstance(given, str) else given
        if not isinstance(given, list):
            named = names.mentions(written)
            return FormedAnswer(tuple((label, 0, 0, (names.name(label),)) for label in named)) if named else None
        labels = [(names.label(each), each) for each in given]
        parts = {label: (label, 0, 0, (str(each),)) for label, each in labels if label is not None}
        return FormedAnswer(tuple(parts.values()), unknown=sum(label is None for label, _ in labels))
