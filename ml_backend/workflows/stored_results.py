"""Results that commands and jobs leave as files below the home folder, as pages read them."""

import json
import logging
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["stored_result"]

log = logging.getLogger(__name__)

MOST_KEPT = 8


def stored_result(path: Path) -> dict[str, Any] | None:
    """Return a stored JSON object with the time of its file as `stored_at`; None where there is none on this machine.

    It must not be changed, since it is kept for the next one who asks. What cannot be read counts as missing, and is
    logged.
    """
    try:
        changed_ns = path.stat().st_mtime_ns
        return _read(path, changed_ns)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read, so pages do without it: %s", path, error)
        return None


@lru_cache(maxsize=MOST_KEPT)
def _read(path: Path, changed_ns: int) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{type(found).__name__} found; wanted a JSON object")
    return found | {"stored_at": datetime.fromtimestamp(changed_ns / 1e9, UTC)}
