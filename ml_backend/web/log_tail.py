"""The end of a log file."""

from pathlib import Path

__all__ = ["log_tail"]

MOST_BYTES = 16_000


def log_tail(path: Path) -> tuple[str, int]:
    """Return the last lines of a log, and how many bytes stand before them; nothing where there is no file."""
    try:
        with path.open("rb") as stream:
            start = max(stream.seek(0, 2) - MOST_BYTES, 0)
            stream.seek(start)
            data = stream.read(MOST_BYTES)
    except FileNotFoundError:
        return "", 0
    if start:  # from the next whole line on
        cut = data.find(b"\n") + 1
        start, data = start + cut, data[cut:]
    return data.decode(errors="replace"), start
