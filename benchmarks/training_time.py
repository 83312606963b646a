"""Seconds that a training takes and the quality that it reaches, beside full fine-tuning; see `classification.py`."""

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.support.bench import Bench, Skipped

__all__ = ["measure"]


def measure(bench: Bench) -> Mapping[str, Any]:
    """What `classification.measure` finds on Banking77."""
    if bench.data is None:
        raise Skipped("it needs Banking77; give --data with its folder")
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # it is a script, and imports its neighbours by name
    import classification

    takes_quick = "is_quick" in inspect.signature(classification.measure).parameters
    found: Mapping[str, Any] = classification.measure(
        bench.data, **({"is_quick": bench.is_quick} if takes_quick else {})
    )
    return found
