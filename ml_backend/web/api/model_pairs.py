"""Two versions side by side, on rows that both were measured on."""

from typing import Any, Literal

from flask import url_for
from pydantic import BaseModel, Field

from ...domain.access import Role
from ...domain.snapshot import Split
from ...errors import ModelNotFound
from ...workflows.jobs.kinds.compare import CompareJob
from ...workflows.viewing.held_out import SnapshotRows
from ...workflows.viewing.models import find_version, version_name
from ...workflows.viewing.pairs import (
    MeasuredPair,
    differing_places,
    drafts_on,
    find_pair,
    labels_beside,
    paired_difference,
)
from ...workflows.voting import Ballots, vote_results
from ..call import Call
from .base import Endpoint
from .jobs import StartedJob
from .models import HeldOutRow
from .projects import PROJECT

__all__ = ["OnePair"]

ROWS_SHOWN = 20


class PairAsked(BaseModel, extra="forbid"):
    """Which two versions, by number; 0 is the cold start."""

    left: int = Field(ge=0, le=2**31 - 1)
    right: int = Field(ge=0, le=2**31 - 1)
    control: str = Field("", max_length=255)
    show: Literal["all", "left", "right", "both wrong"] = Field(
        "all", description="Rows that this version alone answers better, or both equally badly."
    )
    page: int = Field(1, ge=1, le=100_000)


class PairedLabel(BaseModel):
    """F1 of a label, of both versions."""

    label: str
    rows: int
    left: float
    right: float
    difference: float


class SliceBeside(BaseModel):
    """The score of both versions on a slice of the test rows."""

    name: str
    rows: int
    left: float
    right: float
    difference: float
    is_worse: bool = Field(description="The right one is surely worse there.")
    may_be_worse: bool


class PairFigures(BaseModel):
    """Figures of both on the same rows, and how they differ."""

    control: str
    controls: list[str]
    split: Split
    snapshot_id: str
    metric: str
    left: dict[str, Any] = Field(description="Score and accuracy with 95% intervals.")
    right: dict[str, Any]
    paired: dict[str, Any] = Field(
        description="Mean difference of the rows' scores, right less left, with its interval."
    )
    difference: float | None = Field(
        description="Of the metric, right less left, over all controls; null: not compared."
    )
    low: float | None = Field(description="Lower end of its 95% interval, by the paired bootstrap.")
    high: float | None
    reason: str = Field(description="What the gate said, or would have said; empty: it was not asked.")
    labels: list[PairedLabel]
    slices: list[SliceBeside]
    has_labels: bool = Field(description="False: answers are drafts, which people can vote on.")
    votes: str = Field(description="The result of blind votes on drafts, for those who vote on them no more.")
    base: str = Field(description="The cold start, where its drafts stand beside those of both; empty otherwise.")
    rows: list[HeldOutRow] = Field(description="Rows that the two answer differently.")
    count: int
    page: int
    pages: int


class PairView(BaseModel):
    """Two versions."""

    left: str
    right: str
    left_number: int
    right_number: int
    measured: PairFigures | None = Field(description="Null: they were never measured on the same rows.")


class TwoVersions(BaseModel, extra="forbid"):
    """Two versions, by number."""

    left: int = Field(ge=1, le=2**31 - 1)
    right: int = Field(ge=1, le=2**31 - 1)


class OnePair(Endpoint):
    """Show two versions side by side: figures, labels, slices, and rows that they answer differently."""

    name = "model_pair"
    path = f"/projects/{PROJECT}/models/side-by-side"

    def answer(self, call: Call, asked: PairAsked) -> PairView:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        if asked.left == asked.right:
            raise ModelNotFound(f"version {asked.left} stands on both sides; choose two different ones")
        for number in filter(None, (asked.left, asked.right)):
            find_version(services, project, number)
        left, right = (version_name(project, number) for number in (asked.left, asked.right))
        pair = find_pair(services, project, left, right)
        return PairView(
            left=left,
            right=right,
            left_number=asked.left,
            right_number=asked.right,
            measured=_measured(call, pair, asked) if pair and pair.controls() else None,
        )


class MeasurePair(Endpoint):
    """Measure two versions on the newest test rows, as the gate would, in a job. Nothing is promoted by it."""

    name = "measure_pair"
    path = f"/projects/{PROJECT}/models/side-by-side"
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}, versions {left} and {right}"
    words = "Measure both anew"

    def answer(self, call: Call, asked: TwoVersions) -> StartedJob:
        project = call.services.database.projects.get(call.ids["project_id"])
        names = [find_version(call.services, project, number).name for number in (asked.left, asked.right)]
        wanted = CompareJob(champion=names[0], challenger=names[1], actor=call.visitor.name)
        job, is_new = wanted.request(call.services, project.id)
        return StartedJob(job=job.id, state=job.state, is_new=is_new)

    def sentence(self, answer: StartedJob) -> str:
        return f"Job {answer.job} measures both; come back to the two versions once it is done."

    def next_path(self, answer: StartedJob) -> str:
        return url_for("pages.job", job_id=answer.job)


def _measured(call: Call, pair: MeasuredPair, asked: PairAsked) -> PairFigures:
    services = call.services
    project = services.database.projects.get(call.ids["project_id"])
    controls = pair.controls()
    if asked.control and asked.control not in controls:
        raise ModelNotFound(f"the two have no answers to {asked.control!r} in common; wanted one of {controls}")
    control = asked.control or controls[0]
    answers = pair.answers(control)
    places, differ = differing_places(answers, asked.show), paired_difference(answers)
    names = (pair.left["version"], pair.right["version"])
    compared = services.database.measurements.comparison(project.ref.key, *names, pair.snapshot_id)
    figures = compared["figures"] if compared else {}
    sign = -1 if compared and compared["champion"] != names[0] else 1
    interval = sorted(sign * end for end in figures["interval"]) if compared else (None, None)
    summaries = [each["summary"]["controls"][control] for each in (pair.left, pair.right)]
    start = (asked.page - 1) * ROWS_SHOWN
    rows = SnapshotRows(services, project, pair.snapshot_id, pair.split)
    base, has_labels = version_name(project, 0), bool(summaries[0]["has_labels"])
    third = None if has_labels or base in names else drafts_on(services, project, base, pair, control)
    beside = [*answers, third] if third else answers
    shown = rows.shown(control, beside, places[start : start + ROWS_SHOWN])
    return PairFigures(
        control=control,
        controls=controls,
        split=pair.split,
        snapshot_id=pair.snapshot_id,
        metric=summaries[0]["metric"],
        left=summaries[0],
        right=summaries[1],
        paired=differ,
        difference=sign * figures["difference"] if compared else None,
        low=interval[0],
        high=interval[1],
        reason=figures.get("reason", ""),
        labels=[PairedLabel(**each) for each in labels_beside(pair, control)],
        slices=[_slice(each, sign) for each in figures.get("slices", ()) if each["champion"]["control"] == control],
        has_labels=has_labels,
        votes="" if has_labels or not differ["differ"] else _votes(call, asked, control),
        base=base if third else "",
        rows=[HeldOutRow.model_validate(each) for each in shown],
        count=len(places),
        page=asked.page,
        pages=max(-(-len(places) // ROWS_SHOWN), 1),
    )


def _votes(call: Call, asked: PairAsked, control: str) -> str:
    project = call.services.database.projects.get(call.ids["project_id"])
    ballots = Ballots.of(call.services, project, (asked.left, asked.right), control, call.visitor.name)
    if call.visitor.role.includes(Role.ANALYST) and not ballots.has_ended():
        return ""
    return str(vote_results(call.services, ballots.key)["sentence"])


def _slice(compared: dict[str, Any], sign: int) -> SliceBeside:
    """Return a slice; the test says only whether the challenger is worse, so nothing where that one stands left."""
    both = [compared["champion"], compared["challenger"]][::sign]
    return SliceBeside(
        name=both[0]["name"],
        rows=both[0]["rows"],
        left=both[0]["score"],
        right=both[1]["score"],
        difference=both[1]["score"] - both[0]["score"],
        is_worse=compared["is_worse"] and sign > 0,
        may_be_worse=compared["may_be_worse"] and sign > 0,
    )
