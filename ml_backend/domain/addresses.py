"""Check the addresses and credentials that people set, so that an unusable one is reported before it is used."""

import ipaddress
import re
from urllib.parse import urlsplit

__all__ = [
    "LOOPBACK_HOSTS",
    "WEBHOOK_USER",
    "base_url",
    "credential",
    "host_name",
    "http_url",
    "in_url",
    "user_name",
    "without_password",
]

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names under which a machine reaches itself, and nobody else reaches it."""
WEBHOOK_USER = "webhook"
HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
NO_PART_OF_URLS = re.compile(r"[\s\x00-\x1f\x7f]")
WANTED = "wanted a URL such as http://host:8080 or https://host/path"
PASSWORD = re.compile(r"//[^/@\s]*@")


def http_url(url: str) -> str:
    """Return the URL if it is an HTTP URL.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is not a number, or a bracket that is not closed
        is_one = False
    if not is_one or parts.netloc.endswith(":") or NO_PART_OF_URLS.search(url):
        raise ValueError(f"{without_password(url)!r} found; {WANTED}")
    return url


def base_url(url: str) -> str:
    """Return an HTTP URL to which paths can be added, without slashes at its end.

    Raises:
        ValueError: it is not an HTTP URL, or has a user name, a query or a fragment.
    """
    parts = urlsplit(http_url(url))
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"{without_password(url)!r} holds a user name, a query or a fragment, which would stand before every path; "
            f"{WANTED}"
        )
    return url.rstrip("/")


def host_name(host: str) -> str:
    """Return the host if a server can listen on it.

    Raises:
        ValueError: it is no address to listen on.
    """
    if HOST.fullmatch(host) is None and not _is_ipv6(host):
        raise ValueError(f"{host!r} found; wanted an address or a host name alone, such as 127.0.0.1 or 0.0.0.0")
    return host


def in_url(host: str) -> str:
    """Return the address as a URL holds it, in front of the port."""
    return f"[{host}]" if _is_ipv6(host) else host


def credential(text: str) -> str:
    """Return the text if it can be used as a credential.

    Raises:
        ValueError: an HTTP header cannot carry it from Label Studio to here, or would change it.
    """
    wrong = next((at for at, character in enumerate(text) if not (character.isascii() and character.isprintable())), -1)
    if wrong >= 0:
        raise ValueError(
            f"character {wrong + 1} is a line break, or no ASCII; wanted letters, digits and signs of ASCII"
        )
    if text != text.strip():
        raise ValueError("a space found at an end, which Label Studio would cut off; choose one without")
    return text


def user_name(name: str) -> str:
    """Return the name if it can be the backend's user name in basic auth.

    Raises:
        ValueError: it cannot.
    """
    if not credential(name) or ":" in name or name == WEBHOOK_USER:
        raise ValueError(
            f"{name!r} found; wanted a name that is not empty, has no colon, and is not {WEBHOOK_USER!r}, the webhook's"
        )
    return name


def without_password(url: str) -> str:
    """Return a URL of any kind without its password, so that it can be shown."""
    return PASSWORD.sub("//***@", url)


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
