"""Things that all pages share: navigation, buttons, addresses of static files, and how values are written."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, url_for
from flask_login import current_user
from markupsafe import Markup, escape

from .. import __version__
from ..workflows.services import Services
from .access import own_path
from .api.base import Endpoint
from .pages.base import Page

__all__ = ["Button", "register_shell"]

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Button:
    """A form with one button, which sends to an endpoint of the API.

    Attributes:
        loss: what is lost, in sentences; empty where nothing is, and nobody asks.
        confirm_url: page that asks, for browsers without scripts; it gets `asked` in its query.
        fields: sent with the form.
    """

    name: str
    url: str
    words: str
    loss: str
    confirm_url: str
    asked: Mapping[str, Any]
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, words: str = "", **values: Any) -> "Button | None":
        """Return the button of an endpoint; None where the visitor's role does not reach it.

        Args:
            words: on it; empty: the endpoint's.
            values: of the names in the endpoint's path, and of its fields.
        """
        kind = Endpoint.all()[name]
        if not current_user.is_authenticated or not current_user.role.includes(kind.role):
            return None
        in_path = {key: value for key, value in values.items() if f":{key}>" in kind.path}
        fields = {key: value for key, value in values.items() if key not in in_path}
        return cls(
            name=name,
            url=url_for(f"api.{name}", **in_path),
            words=words or kind.words,
            loss=kind.loss.format(**values),
            confirm_url=url_for("pages.confirm", name=name),
            asked={**values, "next": here()},
            fields=fields,
        )


def register_shell(app: Flask, services: Services) -> None:
    """Give all templates what they share, and all answers the headers that browsers need."""
    pages = sorted(Page.all().values(), key=lambda kind: kind.place)

    def navigation() -> list[type[Page]]:
        return [kind for kind in pages if kind.heading and current_user.role.includes(kind.role)]

    def tabs() -> list[type[Page]]:
        return [kind for kind in pages if kind.tab and current_user.role.includes(kind.role)]

    app.jinja_env.globals.update(
        button=Button.of,
        here=here,
        navigation=navigation,
        static_url=_static_url,
        studio_url=services.studio.url,
        tabs=tabs,
        url_with=_url_with,
        version=__version__,
    )
    app.jinja_env.filters.update(
        code=_code,
        count=lambda number: f"{number:,}",
        json=lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
        duration=_duration,
        moment=_moment,
        megabytes=lambda size: f"{size / 1_000_000:,.1f} MB",
        percent=lambda share: f"{share:.0%}",
        signed=lambda value: "–" if value is None else f"{value:+.3f}",
        score=lambda value: "–" if value is None else f"{value:.3f}",
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        # Flask-WTF compares the referrer under https; other sites learn nothing.
        response.headers.setdefault("Referrer-Policy", "same-origin")
        if request.endpoint == "static" and request.args.get("v") and response.status_code in (200, 304):
            response.headers["Cache-Control"] = FOR_EVER
        return response


def here() -> str:
    """Return the address of the page that is shown, to come back to."""
    return own_path(request.script_root + request.full_path.rstrip("?"))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def _static_url(name: str) -> str:
    """Return an address that changes with the file, so that browsers may keep what they have got."""
    return url_for("static", filename=name, v=_digest(name))


def _url_with(**changes: Any) -> str:
    """Return this page's address with some values of its query changed; None takes one out."""
    values = {**request.args.to_dict(), **changes}
    kept = {name: value for name, value in values.items() if value is not None}
    return url_for(request.endpoint or "pages.overview", **(request.view_args or {}), **kept)


def _code(text: str) -> str:
    """Return a text for people, in which what stands between backticks looks like code."""
    parts = str(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(each) if n % 2 else escape(each) for n, each in enumerate(parts)
    )


def _duration(seconds: float) -> str:
    """Return a duration in one or two units."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours = divmod(round(seconds), 60), divmod(round(seconds / 60), 60)
    return f"{minutes[0]} min {minutes[1]} s" if seconds < 3600 else f"{hours[0]} h {hours[1]} min"


def _moment(at: datetime | None) -> str:
    """Return a time for people, which a script writes in the reader's zone."""
    if at is None:
        return "–"
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M")
    )
