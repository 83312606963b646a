"""The demo's first version: what ten rationales buy before anybody has labeled a ticket."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from ..domain.example import Provenance, Row
from ..domain.job import Job
from ..domain.ports import Predictor
from ..domain.project import Project
from ..domain.snapshot import Split
from ..labelstudio.plans import plan_of
from ..workflows.services import Services
from ..workflows.splits import splits_of
from ..workflows.training.evaluate import evaluations
from .report import figures_table
from .tickets import Ticket

__all__ = ["SOURCES", "FirstVersion"]

SOURCES = Path(__file__).with_name("sources")
"""Label sources for the tickets: an example to read, and what the demo's trainings learn from."""


@dataclass(frozen=True, slots=True)
class FirstVersion:
    """The version that learned from label sources alone, beside the cold start, by the truth about the blind tickets.

    Attributes:
        learned: tickets that the sources propose an answer for.
        test_rows: blind test tickets.
        before: figures of the cold start.
        after: of the version.
    """

    sources: int
    learned: int
    seconds: float
    test_rows: int
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    is_promoted: bool
    reason: str

    @classmethod
    def of(cls, services: Services, project: Project, job: Job, tickets: Iterable[Ticket]) -> "FirstVersion":
        """Return what came of a training before the first label."""
        truth = {ticket.text: ticket.label for ticket in tickets}
        splits = splits_of(services, project, list(truth))
        plan = plan_of(project)
        control = plan.controls[0].name
        rows = [
            Row(f"ticket-{number}", number, {plan.fields[0]: text}, {control: label}, (), Provenance(()))
            for number, ((text, label), split) in enumerate(zip(truth.items(), splits, strict=True), start=1)
            if split is Split.TEST
        ]
        version = services.versions.get(str(job.result["model_version"]))

        def figures(predictor: Predictor) -> dict[str, Any]:
            (found,) = evaluations(predictor, rows, plan).values()
            summary = found.summary()
            names = ("macro_f1", "accuracy")
            return {"model_version": predictor.version, **{name: float(summary[name]) for name in names}}

        return cls(
            sources=sum(path.read_text(encoding="utf-8").count("@rationale(") for path in SOURCES.glob("*.py")),
            learned=int(job.result["weak_rows"]["rows"]),
            seconds=float(job.result["seconds"]),
            test_rows=len(rows),
            before=figures(services.cold_start(project)),
            after=figures(services.load_predictor(version.path)),
            is_promoted=bool(job.result["is_promoted"]),
            reason=str(job.result["gate"]["reason"]),
        )

    def section(self) -> list[RenderableType]:
        """Return both versions' figures, and what happened to the pre-labels."""
        summary = (
            f"{self.sources} reasons of an expert, written down as Python in {SOURCES}, propose an answer for "
            f"{self.learned} tickets. A version learned from these alone in {self.seconds:.0f} s; on {self.test_rows} "
            "blind test tickets, whose labels only this demo knows so far:"
        )
        return [
            summary,
            figures_table(self.before, self.after),
            f"The gate: {self.reason}.",
        ]
