"""Labeled pieces of a text, which the model quotes; where they stand is looked up."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...domain.example import Target, spans_in
from ...domain.source import AnswerForm
from .base import FormedAnswer, LabelNames, PromptForm

__all__: list[str] = []

KEY, TEXT, LABEL = "pieces", "text", "label"


class QuotedPieces(PromptForm):
    """`{"pieces": [{"text": "…", "label": "…"}]}`, or per label a list of quotes.

    A quote is looked for in its own spelling at the borders of words, then in any case, then anywhere; one that is
    given twice is two pieces.
    """

    form = AnswerForm.SPANS
    instruction = (
        "Quote every piece of the text that one of the labels fits, word for word as the text has it, in the order of "
        "the text; an empty list where there is none. Answer with JSON alone: "
        f'{{"{KEY}": [{{"{TEXT}": "<piece>", "{LABEL}": "<label>"}}, …]}}'
    )
    max_tokens = 768

    def schema(self, names: Sequence[str]) -> Mapping[str, Any]:
        piece = {
            "type": "object",
            "properties": {TEXT: {"type": "string"}, LABEL: {"type": "string", "enum": list(names)}},
            "required": [TEXT, LABEL],
            "additionalProperties": False,
        }
        return {KEY: {"type": "array", "items": piece}}

    def example(self, target: Target, text: str, names: LabelNames) -> Mapping[str, Any]:
        return {KEY: [{TEXT: text[span.start : span.end], LABEL: names.name(span.label)} for span in spans_in(target)]}

    def read(self, value: Any, written: str, text: str, names: LabelNames) -> FormedAnswer | None:  # noqa: ARG002
        pairs = _pairs(value)
        if pairs is None:
            return None
        parts, unknown, missing = [], 0, 0
        seen: Counter[tuple[str, str]] = Counter()
        for quote, named in pairs:
            label = names.label(named)
            if label is None or not isinstance(quote, str) or not quote.strip():
                unknown += 1
                continue
            places = _places(quote, text)
            number = seen[quote, label]
            seen[quote, label] += 1
            if number < len(places):
                parts.append((label, *places[number], (quote, str(named))))
            else:
                missing += 1
        return FormedAnswer(tuple(parts), unknown, missing)


def _pairs(value: Any) -> list[tuple[Any, Any]] | None:
    """Return quotes with what they are called; None where the answer has another shape."""
    if isinstance(value, dict) and KEY not in value and all(isinstance(each, list) for each in value.values()):
        return [(quote, name) for name, quotes in value.items() for quote in quotes]
    listed = value.get(KEY) if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return None
    return [(each.get(TEXT), each.get(LABEL)) if isinstance(each, dict) else (None, None) for each in listed]


def _places(quote: str, text: str) -> list[tuple[int, int]]:
    """Return where a quote stands in a text, by the strictest reading that finds it."""
    words = r"\s+".join(map(re.escape, quote.split()))
    for pattern in _readings(words):
        found = [(match.start(), match.end()) for match in pattern.finditer(text)]
        if found:
            return found
    return []


def _readings(words: str) -> Iterator[re.Pattern[str]]:
    bordered = rf"(?<!\w){words}(?!\w)"
    yield re.compile(bordered)
    yield re.compile(bordered, re.IGNORECASE)
    yield re.compile(words, re.IGNORECASE)
