"""The first page: all projects."""

from collections.abc import Mapping
from typing import Any

from ..api.projects import SomeProjects
from ..call import Call
from .base import Page

__all__: list[str] = []


class Overview(Page):
    """All projects: what serves, what runs, how many labels are new."""

    name = "overview"
    path = "/"
    heading = "Projects"
    place = 1

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = SomeProjects.read()
        return {"asked": asked, "found": SomeProjects().answer(call, asked)}
