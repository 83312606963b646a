"""The settings of one project."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from ..api.base import NoFields
from ..api.settings import SomeSettings
from ..call import Call
from .base import Page

__all__: list[str] = []


class SettingsPage(Page):
    """What holds for a project, by group: each setting with its value, where that comes from, and who set it."""

    name = "settings"
    below = "overview"
    tab = "Settings"
    place = 8
    path = SomeSettings.path

    def content(self, call: Call) -> Mapping[str, Any]:
        found = SomeSettings().answer(call, NoFields())
        groups = [(heading, list(group)) for heading, group in groupby(found.settings, key=lambda each: each.heading)]
        own = sum(each.is_own for each in found.settings)
        return {"groups": groups, "changes": found.changes, "left_out": found.left_out, "own": own}
