"""Limit the size of events, since every member of a project can read the webhook's credentials and send one."""

from flask import Flask, abort, request

from ..errors import PayloadError
from ..labelstudio.webhook_payloads import check_event

__all__ = ["bound_events"]


def bound_events(app: Flask) -> None:
    """Check the size of requests to `/webhook` before they are parsed, and refuse any that Label Studio would not send.

    Call this after the checks of credentials are registered, so that no body of a stranger is read.
    """

    @app.before_request
    def check() -> None:
        if request.method == "POST" and request.path == "/webhook":
            try:
                check_event(request.get_data())
            except PayloadError as error:
                abort(413, str(error))
