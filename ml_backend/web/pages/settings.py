"""The settings of one project."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from ..api.base import NoFields
from ..api.settings import SomeSettings
from ..call import Call
from .base import Page

__all__: list[str] = []

CHANGES_SHOWN = 20


class SettingsPage(Page):
    """The settings of a project, by group: each with its value, where that comes from, and who set it."""

    name = "settings"
    below = "overview"
    tab = "Settings"
    place = 8
    path = SomeSettings.path

    def content(self, call: Call) -> Mapping[str, Any]:
        found = SomeSettings().answer(call, NoFields())
        groups = [(heading, list(group)) for heading, group in groupby(found.settings, key=lambda each: each.heading)]
        own = sum(each.is_own for each in found.settings)
        shown = {"changes": found.changes[:CHANGES_SHOWN], "is_cut": len(found.changes) > CHANGES_SHOWN}
        return {"groups": groups, "left_out": found.left_out, "own": own, **shown}
