"""One label per text."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...domain.example import Target
from ...domain.source import AnswerForm
from .base import FormedAnswer, LabelNames, PromptForm

__all__: list[str] = []

KEY = "label"
CUT = re.compile(rf'"{KEY}"\s*:\s*"([^"\n]*)')
"""The beginning of an answer that does not end, as small models give."""


class OneLabel(PromptForm):
    """`{"label": "…"}`; where no JSON comes back, the only label that the answer names."""

    form = AnswerForm.ONE
    instruction = f'Choose the one label that fits best. Answer with JSON alone: {{"{KEY}": "<label>"}}'
    max_tokens = 64

    def schema(self, names: Sequence[str]) -> Mapping[str, Any]:
        return {KEY: {"type": "string", "enum": list(names)}}

    def example(self, target: Target, text: str, names: LabelNames) -> Mapping[str, Any]:  # noqa: ARG002 (spans need it)
        return {KEY: names.name(str(target))}

    def read(self, value: Any, written: str, text: str, names: LabelNames) -> FormedAnswer | None:  # noqa: ARG002
        cut = CUT.search(written) if value is None else None
        given = cut[1] if cut else PromptForm.only(value, KEY)
        label = names.label(given)
        if label is not None:
            return FormedAnswer(((label, 0, 0, (str(given),)),))
        if isinstance(given, str):
            return FormedAnswer((), unknown=1)
        label = names.label(written)
        named = [label] if label is not None else names.mentions(written)
        return FormedAnswer(((named[0], 0, 0, (names.name(named[0]),)),)) if len(named) == 1 else None
