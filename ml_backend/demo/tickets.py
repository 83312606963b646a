"""The bundled support tickets."""

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ticket", "load_tickets"]

FILE = Path(__file__).with_name("tickets.jsonl")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A message to a shop's support.

    Attributes:
        label: what it really is about, one of the choices of `label_config/classification.xml`.
        is_hard: written so that a reader has to think twice, too.
    """

    text: str
    label: str
    is_hard: bool


def load_tickets() -> tuple[Ticket, ...]:
    """Return all tickets in the order in which they are imported. No text occurs twice."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(Ticket(row["text"], row["label"], row["hard"]) for row in map(json.loads, lines))
