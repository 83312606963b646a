"""Any answer as the text that a language model is taught to complete."""

import json

from ..domain.example import Row, Span, Target
from .base import ExportRequest, NotCarried, encodable

__all__ = ["LIMITS", "pair_of"]

LIMITS = (
    "One control's answers. A single choice is its label, free text is itself; several choices are a JSON list of "
    'labels; entities are a JSON list of {"text", "label"} in the order of the text, without positions. Annotators, '
    "weights and provenance are left out."
)


def pair_of(row: Row, wish: ExportRequest) -> tuple[str, str]:
    """The row's text, and its answer as text.

    Raises:
        NotCarried: either is empty, or there is no answer.
    """
    prompt = encodable(wish.text(row))
    if not prompt.strip():
        raise NotCarried("the text is empty")
    completion = encodable(_completion(wish.target(row), wish.text(row)))
    if not completion.strip():
        raise NotCarried("the answer is empty")
    return prompt, completion


def _completion(target: Target, text: str) -> str:
    if isinstance(target, str):
        return target
    parts = [
        {"text": text[part.start : part.end], "label": part.label} if isinstance(part, Span) else part
        for part in target
    ]
    return json.dumps(parts, ensure_ascii=False)
