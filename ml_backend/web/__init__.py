"""The HTTP side: Label Studio's contract, the status page, metrics."""

from .app import create_app

__all__ = ["create_app"]
