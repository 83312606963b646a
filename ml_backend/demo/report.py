"""The demo's figures, told for people and as JSON."""

import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..domain.example import PrelabelOutcome
from .figures import Change, Labeling, Leftover, Training

__all__ = ["Places", "labeling_section", "leftover_section", "places_section", "to_json", "training_section"]

EXAMPLES = 6
LONGEST_TEXT = 72
NUMBERS = frozenset({"tickets", "seconds each", "macro-F1", "accuracy"})
HOW_ANSWERED = {
    PrelabelOutcome.ACCEPTED: "pre-label accepted",
    PrelabelOutcome.CHANGED: "pre-label changed",
    PrelabelOutcome.NONE: "no pre-label (held out)",
}


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look, and with which credentials; all of it is on this machine and ends with the demo.

    Attributes:
        folder: what the demo wrote; the next one empties it.
    """

    project: str
    email: str
    password: str = field(repr=False)
    status_page: str
    backend_user: str
    backend_password: str = field(repr=False)
    mlflow_url: str
    folder: Path

    @property
    def mlflow_command(self) -> str:
        """Opens the runs in MLflow's own pages."""
        beside = Path(sys.executable).with_name("mlflow")
        program = str(beside) if beside.exists() else "mlflow"
        return shlex.join([program, "ui", "--backend-store-uri", self.mlflow_url])


def labeling_section(labeling: Labeling, mistakes: int) -> list[RenderableType]:
    """What the expert did, and how fast."""
    table = _table("", "tickets", "seconds each")
    for outcome, title in HOW_ANSWERED.items():
        if labeling.prelabels[outcome]:
            table.add_row(title, str(labeling.prelabels[outcome]), f"{labeling.mean_seconds[outcome]:.1f}")
    work = (
        f"{labeling.labeled} tickets labeled and {labeling.skipped} skipped in {_minutes(labeling.seconds)} of the "
        f"expert's time (simulated): {labeling.seconds_per_label:.1f} s per label."
    )
    quality = (
        f"{labeling.acceptance:.0%} of the pre-labels seen were accepted. {mistakes} labels "
        f"({mistakes / max(labeling.labeled, 1):.1%}) are wrong, as some of an expert's always are."
    )
    return [work, table, quality]


def training_section(training: Training, labeling: Labeling) -> list[RenderableType]:
    """Both models on the blind test tickets, and what the gate made of that."""
    table = _table("", "macro-F1", "accuracy")
    for title, measured in (("before", training.before), ("after", training.after)):
        table.add_row(f"{title}: {measured.model_version}", f"{measured.macro_f1:.3f}", f"{measured.accuracy:.3f}")
    done = (
        f"Job {training.job_id} trained {training.after.model_version} ({training.method}) in "
        f"{training.seconds:.0f} s. On {training.test_rows} test tickets, labeled blind and never trained on:"
    )
    return [
        done,
        table,
        f"The gate: {training.reason}.",
        *(f"note: {warning}" for warning in training.warnings),
        f"{_minutes(labeling.seconds)} of labeling bought {training.gain:+.3f} macro-F1.",
    ]


def leftover_section(leftover: Leftover) -> list[RenderableType]:
    """What became of the pre-labels of tickets that wait for a label."""
    if not leftover.tickets:
        return ["No unlabeled ticket holds pre-labels of both versions."]
    shown = min(EXAMPLES, len(leftover.changes))
    summary = (
        f"Of {leftover.tickets} tickets that nobody has labeled (drawn at random), the pre-label was right for "
        f"{leftover.right_before} before and is right for {leftover.right_after} now. "
        f"The first {shown} of {len(leftover.changes)} that changed, with the models' confidence:"
    )
    return [summary, *(_example(change) for change in leftover.changes[:EXAMPLES])]


def places_section(places: Places) -> list[RenderableType]:
    """Where to look; lines to copy from, so none is ever broken."""
    lines = (
        f"Label Studio: {places.project}",
        f"  log in as {places.email} with password {places.password}",
        f"backend: {places.status_page}",
        f"  log in as {places.backend_user} with password {places.backend_password}",
        f"MLflow: {places.mlflow_command}",
        f"logs and data: {places.folder}",
    )
    return [Text(line) for line in lines]


def to_json(
    *, tickets: int, labeling: Labeling, mistakes: int, training: Training, leftover: Leftover, places: Places
) -> dict[str, Any]:
    """All of it as one JSON object."""
    return {
        "is_success": training.is_success,
        "tickets": tickets,
        "labeling": {
            **asdict(labeling),
            "mistakes": mistakes,
            "acceptance": labeling.acceptance,
            "seconds_per_label": labeling.seconds_per_label,
        },
        "training": {**asdict(training), "gain": training.gain},
        "unlabeled": asdict(leftover),
        "places": {**asdict(places), "folder": str(places.folder), "mlflow_command": places.mlflow_command},
    }


def _example(change: Change) -> str:
    line = " ".join(change.text.split())
    text = line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 3]}..."
    verdict = "right" if change.after == change.label else f"it is {change.label}"
    return (
        f'"{text}"\n  {change.after} {change.after_score:.2f} ({verdict}), '
        f"before {change.before} {change.before_score:.2f}"
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left")
    return table


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes"
