"""Bodies that Label Studio 1.23.2 sent, tokens replaced, fields of no interest and further tasks left out."""

import json
from pathlib import Path
from typing import Any

__all__ = ["recorded", "recorded_names", "recording_path"]

FOLDER = Path(__file__).parent / "payloads"


def recording_path(name: str) -> Path:
    """Where a recording lies."""
    return FOLDER / f"{name}.json"


def recorded(name: str) -> Any:
    """A new copy of a recording, such as `webhook_annotation_created`."""
    return json.loads(recording_path(name).read_text())


def recorded_names(prefix: str) -> list[str]:
    """All recordings of one endpoint: `webhook_`, `setup` or `predict_`; or `export_` for files."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))
