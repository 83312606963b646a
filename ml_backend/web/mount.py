"""The path below which a proxy shows the application, such as `/labelloop`: that of `LABELLOOP_PUBLIC_URL`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Mounted"]


class Mounted:
    """An application whose addresses all begin with a path, whether the proxy takes that off requests or not.

    Whoever asks without the proxy may leave the path out as well.

    Args:
        url: under which the application is reached.
    """

    def __init__(self, application: "WSGIApplication", url: str) -> None:
        self._application, self._path = application, urlsplit(url).path.rstrip("/")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        environ["PATH_INFO"] = self.inner_path(str(environ.get("PATH_INFO", "")), self._path)
        environ["SCRIPT_NAME"] = self._path
        return self._application(environ, start_response)

    @staticmethod
    def inner_path(path: str, prefix: str) -> str:
        """Return a request's path as the application knows it, without the prefix where it has that."""
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            return path[len(prefix) :] or "/"
        return path
