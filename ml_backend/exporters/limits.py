"""Limits of files: rows without a place in a format, and halves of characters."""

import re

__all__ = ["NotCarried", "encodable"]

HALF_SURROGATES = re.compile("[\ud800-\udfff]")


class NotCarried(Exception):
    """A format has no place for a row. The message is the reason, the same one for all such rows."""


def encodable(text: str) -> str:
    r"""Return the text with half surrogate pairs, which have no UTF-8 form, as `\ufffd`. Its length stays."""
    return HALF_SURROGATES.sub("\ufffd", text)
