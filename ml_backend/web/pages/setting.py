"""One setting of a project: another value for it, and what that will do before it is saved."""

from collections.abc import Mapping
from typing import Any

from flask import abort, request

from ...domain.access import Role
from ...errors import ConfigurationError, StudioError
from ..api.base import NoFields
from ..api.projects import PROJECT
from ..api.settings import PreviewSetting, SomeSettings
from ..call import Call
from .base import Page

__all__: list[str] = []


class SettingPage(Page):
    """Ask for a value, say what it will do, and only then offer to save it."""

    name = "setting"
    below = "overview"
    path = f"/projects/{PROJECT}/settings/change"
    role = Role.ADMIN

    def content(self, call: Call) -> Mapping[str, Any]:
        name = request.args.get("setting", "")
        settings = {each.name: each for each in SomeSettings().answer(call, NoFields()).settings}
        if name not in settings:
            abort(404, f"no project has a setting {name!r:.80} for itself")
        is_unset = request.args.get("unset") == "true"
        shown: dict[str, Any] = {"setting": settings[name], "is_unset": is_unset, "preview": None, "problem": ""}
        shown["value"] = request.args.get("value", settings[name].value)
        if is_unset or "value" in request.args:
            try:
                shown["preview"] = PreviewSetting().answer(call, PreviewSetting.read())
            except (ConfigurationError, StudioError) as error:
                shown["problem"] = str(error)
        return shown
