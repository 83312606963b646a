"""Format log records so that one record is always one line, whatever text somebody has put into it.

Names, labels and error messages come from outside. Printed unchanged, a line end in one could forge a record, control
codes of a terminal could hide or colour others, and a text of megabytes could fill the disk.
"""

import logging
import re
from typing import Any

__all__ = ["LineFormatter"]

MAX_LINE_LENGTH = 4000
MAX_TRACEBACK_LINES = 200
INDENT = "    "
"""The indentation of a traceback's lines; no record begins with it."""

_UNPRINTABLE = re.compile("[\0-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Control characters but the tab, all line ends, marks of the direction of writing, and halves of surrogate pairs."""


class LineFormatter(logging.Formatter):
    """Escapes and shortens logged text. A traceback follows in indented lines."""

    FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return the record's line."""
        return _one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 (logging's name)
        """Return the traceback of an exception in indented lines."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 (logging's name)
        """Return a stack in indented lines."""
        return _indented(stack_info)


def _one_line(text: str) -> str:
    """Return the text as one line: characters that cannot be printed are escaped, and a long text is shortened."""
    more = len(text) - MAX_LINE_LENGTH
    short = text if more <= 0 else f"{text[:MAX_LINE_LENGTH]}… ({more} more characters)"
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), short)


def _indented(text: str) -> str:
    """Return the lines indented; of too many, only the first and the last ones, which say what went wrong."""
    lines = text.split("\n")
    if len(lines) > MAX_TRACEBACK_LINES:
        half = MAX_TRACEBACK_LINES // 2
        lines = [*lines[:half], f"({len(lines) - 2 * half} more lines)", *lines[-half:]]
    return "\n".join(INDENT + _one_line(line) for line in lines)
