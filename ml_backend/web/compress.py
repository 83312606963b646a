"""Answers for people in gzip, where their browser takes that: a tenth of the bytes of a long table."""

import gzip

from flask import Flask, Response, request

from .access import is_for_people

__all__ = ["compress_answers"]

TYPES = frozenset({"text/html", "application/json"})
LEAST_BYTES = 1500
"""Shorter answers fit into one packet, and gain nothing by compression."""
LEVEL = 5


def compress_answers(app: Flask) -> None:
    """Compress the pages and the API's answers. Files, streams and what machines ask for are sent as they are.

    Compression together with text of a stranger can tell a secret on the page by its length (BREACH): here the cookie
    is not sent with requests of other sites but for links that somebody follows, and the token on the page is signed
    anew each time.
    """

    @app.after_request
    def compress(response: Response) -> Response:
        if (
            not is_for_people(request.path)
            or response.mimetype not in TYPES
            or response.is_streamed
            or response.direct_passthrough
            or "Content-Encoding" in response.headers
        ):
            return response
        response.vary.add("Accept-Encoding")
        content = response.get_data()
        if len(content) >= LEAST_BYTES and request.accept_encodings.quality("gzip") > 0:
            response.set_data(gzip.compress(content, LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
        return response
