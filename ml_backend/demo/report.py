"""The demo's figures, for people and as JSON."""

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..domain.example import PrelabelOutcome
from ..domain.job import Job
from ..domain.model import ModelVersion
from ..domain.project import Project
from ..domain.snapshot import Split
from ..labelstudio.plans import plan_of
from ..measuring.cost import LabelingCost
from ..snapshots.store import SnapshotFolder
from ..workflows.exporting.snapshots import newest_snapshot
from ..workflows.services import Services
from ..workflows.training.evaluate import evaluations
from .annotator import OpenTask
from .tickets import Ticket

__all__ = [
    "Addresses",
    "TrainingResult",
    "changes",
    "figures_table",
    "labeling_section",
    "to_json",
    "unlabeled_section",
]

EXAMPLES = 6
LONGEST_TEXT = 72
NUMBERS = frozenset({"tickets", "seconds each", "macro-F1", "accuracy"})
HOW_ANSWERED = {
    PrelabelOutcome.ACCEPTED: "pre-label accepted",
    PrelabelOutcome.CHANGED: "pre-label changed",
    PrelabelOutcome.NONE: "no pre-label (held out)",
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Places to look at, with their credentials; all of it is on this machine and ends with the demo.

    Attributes:
        folder: what the demo wrote; the next one empties it.
    """

    project: str
    email: str
    password: str = field(repr=False)
    admin_page: str
    sign_in_link: str = field(repr=False)
    mlflow_url: str
    folder: Path

    @property
    def mlflow_command(self) -> str:
        """Command that opens the runs in MLflow's own pages."""
        beside = Path(sys.executable).with_name("mlflow")
        program = str(beside) if beside.exists() else "mlflow"
        return shlex.join([program, "ui", "--backend-store-uri", self.mlflow_url])

    def section(self) -> list[RenderableType]:
        """Return lines to copy from, so none is ever broken."""
        lines = (
            f"Label Studio: {self.project}",
            f"  log in as {self.email} with password {self.password}",
            f"the loop: {self.admin_page}",
            f"  sign in, once, at {self.sign_in_link}",
            f"MLflow: {self.mlflow_command}",
            f"logs and data: {self.folder}",
        )
        return [Text(line) for line in lines]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Result of the training on labels, with macro-F1 and accuracy of two versions on the blind test tickets.

    Attributes:
        before: of what served until then.
        after: of the trained version, whether it serves now or not.
        reason: the gate's decision in a sentence.
    """

    job_id: int
    method: str
    seconds: float
    test_rows: int
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    is_promoted: bool
    is_provisional: bool
    reason: str
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, services: Services, project: Project, job: Job) -> "TrainingResult":
        """Return the result of a successful training job.

        The champion's accuracy is measured here, since the gate compares macro-F1 alone; its macro-F1 is the gate's.
        """
        gate: Mapping[str, Any] = job.result["gate"]  # there are test rows, so it was held
        rows = list(SnapshotFolder(newest_snapshot(services, project).path).rows(Split.TEST))
        champion = str(gate["champion"])
        is_cold_start = ModelVersion.is_cold_start_name(champion)
        served = (
            services.cold_start(project)
            if is_cold_start
            else services.load_predictor(services.versions.get(champion).path)
        )
        (found,) = evaluations(served, rows, plan_of(project)).values()
        return cls(
            job_id=job.id,
            method=str(job.result["method"]),
            seconds=float(job.result["seconds"]),
            test_rows=int(gate["rows"]),
            before=_measured(gate, "champion", found.summary()),
            after=_measured(gate, "challenger", job.result["metrics"]["test"]),
            is_promoted=bool(job.result["is_promoted"]),
            is_provisional=bool(gate["is_provisional"]),
            reason=str(gate["reason"]),
            warnings=tuple(gate["warnings"]),
        )

    @property
    def gain(self) -> float:
        """Macro-F1 of the trained version above that of what served before."""
        return float(self.after["macro_f1"] - self.before["macro_f1"])

    @property
    def is_success(self) -> bool:
        """True where the trained version serves and beats what served before."""
        return self.is_promoted and self.gain > 0

    def section(self, cost: LabelingCost) -> list[RenderableType]:
        """Return both versions' figures, the gate's decision, and what the labels bought."""
        summary = (
            f"Job {self.job_id} trained {self.after['model_version']} ({self.method}) in {self.seconds:.0f} s. "
            f"On {self.test_rows} test tickets, labeled blind and never trained on:"
        )
        return [
            summary,
            figures_table(self.before, self.after),
            f"The gate: {self.reason}.",
            *(f"note: {warning}" for warning in self.warnings),
            f"{_minutes(cost.seconds)} of labeling bought {self.gain:+.3f} macro-F1.",
        ]


def figures_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """Return macro-F1 and accuracy of two versions."""
    table = _table("", "macro-F1", "accuracy")
    for title, figures in (("before", before), ("after", after)):
        table.add_row(
            f"{title}: {figures['model_version']}", f"{figures['macro_f1']:.3f}", f"{figures['accuracy']:.3f}"
        )
    return table


def labeling_section(cost: LabelingCost, mistakes: int) -> list[RenderableType]:
    """Return what the expert did, and how fast."""
    table = _table("", "tickets", "seconds each")
    for outcome, title in HOW_ANSWERED.items():
        if cost.prelabels[outcome]:
            table.add_row(title, str(cost.prelabels[outcome]), f"{cost.mean_seconds[outcome]:.1f}")
    work = (
        f"{cost.labeled} tickets labeled and {cost.skipped} skipped in {_minutes(cost.seconds)} of the "
        f"expert's time (simulated): {cost.seconds_per_label:.1f} s per label."
    )
    quality = (
        f"{cost.acceptance:.0%} of the pre-labels seen were accepted. {mistakes} labels "
        f"({mistakes / max(cost.labeled, 1):.1%}) are wrong, as some of an expert's always are."
    )
    return [work, table, quality]


def changes(
    before: Iterable[OpenTask], after: Sequence[OpenTask], tickets: Mapping[str, Ticket]
) -> list[Mapping[str, Any]]:
    """Return both pre-labels of every open task that has a pre-label of two versions, with the right label.

    Args:
        before, after: the open tasks with their predictions of the two versions.
        tickets: by text.
    """
    news = {task.id: task for task in after if task.label}
    pairs = [(old, news[old.id]) for old in before if old.label and old.id in news]
    return [
        {"text": old.text, "label": tickets[old.text].label}
        | {"before": old.label, "before_score": old.score, "after": new.label, "after_score": new.score}
        for old, new in pairs
    ]


def unlabeled_section(compared: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return what became of the pre-labels of tickets that wait for a label, as `changes` found them."""
    if not compared:
        return ["No unlabeled ticket holds pre-labels of both versions."]
    counts = _unlabeled(compared)
    changed = counts["changes"]
    summary = (
        f"Of {counts['tickets']} tickets that nobody has labeled (drawn at random), the pre-label was right for "
        f"{counts['right_before']} before and is right for {counts['right_after']} now. "
        f"The first {min(EXAMPLES, len(changed))} of {len(changed)} that changed, with the models' confidence:"
    )
    return [summary, *map(_example, changed[:EXAMPLES])]


def to_json(
    *,
    tickets: int,
    first: Mapping[str, Any],
    cost: LabelingCost,
    mistakes: int,
    training: TrainingResult,
    compared: Sequence[Mapping[str, Any]],
    addresses: Addresses,
) -> dict[str, Any]:
    """Return all of it as one JSON object.

    Args:
        first: figures of the version before the first label.
    """
    return {
        "is_success": training.is_success,
        "tickets": tickets,
        "before_labels": dict(first),
        "labeling": {
            **asdict(cost),
            "mistakes": mistakes,
            "acceptance": cost.acceptance,
            "seconds_per_label": cost.seconds_per_label,
        },
        "training": {**asdict(training), "gain": training.gain},
        "unlabeled": _unlabeled(compared),
        "places": {**asdict(addresses), "folder": str(addresses.folder), "mlflow_command": addresses.mlflow_command},
    }


def _measured(gate: Mapping[str, Any], side: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    accuracy = float(metrics["accuracy"])
    return {"model_version": str(gate[side]), "macro_f1": float(gate[f"{side}_score"]), "accuracy": accuracy}


def _unlabeled(compared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "tickets": len(compared),
        "right_before": sum(each["before"] == each["label"] for each in compared),
        "right_after": sum(each["after"] == each["label"] for each in compared),
        "changes": [each for each in compared if each["before"] != each["after"]],
    }


def _example(change: Mapping[str, Any]) -> str:
    line = " ".join(change["text"].split())
    text = line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 3]}..."
    verdict = "right" if change["after"] == change["label"] else f"it is {change['label']}"
    return (
        f'"{text}"\n  {change["after"]} {change["after_score"]:.2f} ({verdict}), '
        f"before {change['before']} {change['before_score']:.2f}"
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left")
    return table


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes"
