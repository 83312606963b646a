"""How large an event may be: every member of a project can read the webhook's credentials and send one."""

from flask import Flask, abort, request

from ..errors import PayloadError
from ..labelstudio.webhook_payloads import check_event

__all__ = ["bound_events"]


def bound_events(app: Flask) -> None:
    """Look at the size of what comes to `/webhook` before it is parsed, and refuse what no Label Studio sends.

    To be called after what checks credentials, so that strangers cannot have a body read.
    """

    @app.before_request
    def check() -> None:
        if request.method == "POST" and request.path == "/webhook":
            try:
                check_event(request.get_data())
            except PayloadError as error:
                abort(413, str(error))
