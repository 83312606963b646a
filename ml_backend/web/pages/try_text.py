"""A text to try."""

from collections.abc import Mapping
from typing import Any

from flask import request
from werkzeug.exceptions import TooManyRequests

from ...errors import LabelloopError
from ...workflows.trying.try_text import MOST_CHARACTERS, readable_fields
from ..api.try_text import TextToTry, TriedText, TryText
from ..call import Call
from .base import Page

__all__: list[str] = []


class TryPage(Page):
    """A text, what the version that serves answers to it, and what the answer hangs on."""

    name = "try_text"
    path = TryText.path
    tab = "Try it"
    place = 7
    methods = ("GET", "POST")

    def content(self, call: Call) -> Mapping[str, Any]:
        project = call.services.database.projects.get(call.ids["project_id"])
        fields = readable_fields(project)
        # Browsers end lines of a form with two characters.
        texts = {name: request.form.get(f"text-{i}", "").replace("\r\n", "\n") for i, name in enumerate(fields)}
        found: TriedText | None = None
        problem = ""
        if request.method == "POST":
            try:
                found = TryText().carry_out(call, TextToTry(texts=texts))
            except (LabelloopError, TooManyRequests) as error:  # what was typed in stays on the page
                problem = str(error.description) if isinstance(error, TooManyRequests) else str(error)
        return {
            "project": project,
            "serving": call.services.versions.serving(project),
            "fields": list(texts.items()),
            "found": found,
            "problem": problem,
            "most": MOST_CHARACTERS,
        }
