"""The question before something is lost, for browsers without scripts."""

import re
from collections.abc import Mapping
from typing import Any

from flask import abort, request
from werkzeug.routing import BuildError

from ..access import own_path
from ..api.base import Endpoint
from ..call import Call
from ..shell import Button
from .base import Page

__all__: list[str] = []

NUMBER = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?")


class ConfirmPage(Page):
    """Say what is lost, beside the button that does it."""

    name = "confirm"
    path = "/confirm/<name>"

    def content(self, call: Call) -> Mapping[str, Any]:
        name = call.ids["name"]
        kind = Endpoint.all().get(name)
        values = {key: value for key, value in request.args.items() if key != "next"}
        if kind is None or not kind.loss or not all(map(NUMBER.fullmatch, values.values())):
            abort(404)
        numbers = {key: float(value) if "." in value else int(value) for key, value in values.items()}
        try:
            asked = Button.of(name, kind.words, **numbers)
        except (BuildError, KeyError):
            abort(404)
        if asked is None:
            abort(403, f"this needs the role {kind.role}")
        return {"asked": asked, "back": own_path(request.args.get("next"))}
