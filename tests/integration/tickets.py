"""Bundled tickets as Label Studio exports them once an expert has labeled them."""

import json
from pathlib import Path

from ml_backend.demo.tickets import load_tickets
from ml_backend.tasks import template_path
from tests.studio import choice

__all__ = ["CONFIG", "source_of", "write_export"]

CONFIG = template_path("classification")


def write_export(path: Path, *, rows: int) -> Path:
    """A JSON export of the first tickets, each with one annotation."""
    tasks = [
        {
            "id": number,
            "data": {"text": ticket.text},
            "annotations": [{"id": number, "completed_by": 1, "result": choice(ticket.label)}],
        }
        for number, ticket in enumerate(load_tickets()[:rows], start=1)
    ]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def source_of(export: Path) -> list[str]:
    """Options of commands that read an export of tickets."""
    return ["--studio-export", str(export), "--config", str(CONFIG)]
