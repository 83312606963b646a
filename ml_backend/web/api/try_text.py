"""Trying a text with the version that serves."""

import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import abort, current_app
from pydantic import BaseModel, Field

from ...workflows.trying.try_text import try_text
from ..call import Call
from .base import Endpoint
from .projects import PROJECT

__all__ = ["TextToTry", "TriedText", "TryText"]

KEY, MOST_AT_ONCE = "labelloop_tries", 2
"""Each takes seconds of the model that pre-labels, and a thread."""


class TextToTry(BaseModel, extra="forbid"):
    """A text, per field that the project reads."""

    texts: Mapping[str, str]


class LabelConfidence(BaseModel):
    """A label, and how sure the version is of it."""

    label: str
    confidence: float


class MarkedSpan(BaseModel):
    """A piece of the text with a label."""

    text: str
    label: str
    confidence: float | None


class MarkedPart(BaseModel):
    """A part of the text, with the label of the span that it is; empty where it is none."""

    text: str
    label: str


class TriedAnswer(BaseModel):
    """The answer to a control."""

    control: str
    answer: str
    confidence: float = Field(description="Calibrated confidence that the whole answer is right.")
    labels: list[LabelConfidence] = Field(description="The likeliest labels.")
    labels_left_out: int
    spans: list[MarkedSpan]
    marked: list[MarkedPart]
    fit: float | None = Field(description="Share of held-out rows that fit the labels as badly; null: not known.")
    fits_none: bool
    is_asked: bool = Field(description="False where the other answers hide the question.")


class WordEffect(BaseModel):
    """A word, or a run of words, and what it does."""

    text: str
    field: str
    effect: float = Field(description="By how much the confidence falls where it is left out; below 0: it rises.")


class MarkedWord(BaseModel):
    """A part of the text with the level of its mark."""

    text: str
    level: int = Field(ge=-3, le=3)


class ControlWords(BaseModel):
    """The words that a control's likeliest label hangs on."""

    label: str
    effects: list[WordEffect]
    marked: Mapping[str, list[MarkedWord]]


class TriedWords(BaseModel):
    """How confidence changes when words are left out."""

    words_at_once: int = Field(description="Words that are left out together.")
    pieces: int
    tried: int = Field(description="How many of these pieces, from the front, there was time for.")
    controls: Mapping[str, ControlWords]


class NearRow(BaseModel):
    """A row that the version learned from, near to the text."""

    control: str
    task_id: int
    text: str
    answer: str
    similarity: float = Field(description="Cosine of both texts' vectors.")


class TriedText(BaseModel):
    """The version that serves, and what it says about a text."""

    version: str
    answers: list[TriedAnswer]
    unanswered: list[str] = Field(description="Controls that the version does not answer.")
    words: TriedWords | None
    words_missing: str = Field(description="Why no words are given.")
    nearest: list[NearRow]
    nearest_missing: str = Field(description="Why no rows are given.")


class TryText(Endpoint):
    """Answer a text with the version that serves, and say what the answer hangs on.

    The text is not kept. It takes seconds.
    """

    name = "try_text"
    path = f"/projects/{PROJECT}/try"
    method = "POST"
    subject = "project {project_id}"

    def answer(self, call: Call, asked: TextToTry) -> TriedText:
        project = call.services.database.projects.get(call.ids["project_id"])
        places: threading.BoundedSemaphore = current_app.extensions.setdefault(
            KEY, threading.BoundedSemaphore(MOST_AT_ONCE)
        )
        if not places.acquire(blocking=False):
            abort(HTTPStatus.TOO_MANY_REQUESTS, f"{MOST_AT_ONCE} texts are being tried now; try again in some seconds")
        try:
            return TriedText.model_validate(try_text(call.services, project, asked.texts))
        finally:
            places.release()

    def sentence(self, answer: Any) -> str:
        return f"{answer.version} answered."
