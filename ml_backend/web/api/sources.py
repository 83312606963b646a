"""The label sources of a project: how good they are, where they and people differ, and which of them count."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from ...domain.access import Role
from ...domain.field_texts import readable_text
from ...domain.readable import shortened
from ...errors import ConfigurationError
from ...options import PREFIX
from ...workflows.jobs.kinds.check_sources import CheckSourcesJob
from ...workflows.sourcing.switching import LONGEST_NAME, switch_source
from ...workflows.viewing.sources import project_sources, who_gets_texts
from ..call import Call
from .base import Endpoint, NoFields
from .jobs import JobView, StartedJob, StartsJob
from .loop import active_job
from .projects import PROJECT

__all__ = ["SourcesOfProject"]

TEXT_CHARACTERS = 300
Exact = tuple[float, float | None, float]
"""A share with its exact 95% interval: low, middle (null where nothing is decided), high."""


class SourceSwitch(BaseModel):
    """The last thing that somebody did with a source."""

    is_on: bool
    actor: str
    switched_at: datetime


class SourceView(BaseModel):
    """A label source, as it was checked last."""

    name: str
    kind: str
    control: str
    label: str | None
    reason: str
    by: str
    place: str
    coverage: float = Field(description="Share of all texts that it answers.")
    precision: Exact = Field(description="On blind validation rows.")
    rows: int = Field(description="Its votes that these decide.")
    train_precision: Exact | None = Field(description="On train rows, an upper bound; null where it is made of them.")
    train_rows: int
    conflicts: float = Field(description="Share of the texts it answers that another one answers otherwise.")
    alone: int = Field(description="Texts that no other source answers.")
    alone_right: int
    alone_labeled: int = Field(description="Those of them that people labeled.")
    is_on: bool
    off_because: str | None
    switch: SourceSwitch | None
    costs: Mapping[str, Any] | None = Field(description="Of a prompted source, per 1,000 texts.")


class SourceDispute(BaseModel):
    """A train row on which a source that is on and people differ."""

    task_id: int
    control: str
    source: str
    says: str
    given: str
    text: str = Field(description="Its beginning.")


class CheckedSources(BaseModel):
    """The last check."""

    stored_at: datetime
    is_outdated: bool = Field(description="Somebody has switched a source since.")
    sources: Sequence[SourceView] = Field(description="The page that was asked for.")
    names: Sequence[str] = Field(description="Of all sources.")
    on: int = Field(description="How many of them are on.")
    differences: Sequence[SourceDispute] = Field(description="The page that was asked for.")
    difference_count: int
    texts: int
    labeled: int
    floor: float
    notes: Sequence[str]
    faults: Sequence[Mapping[str, Any]]
    worklist: Mapping[str, Any] = Field(description="What to write next, as `labelloop sources reasons --json` has it.")


class SourcesView(BaseModel):
    """The label sources of a project."""

    has_folder: bool = Field(description="The settings name a folder of label sources.")
    disclosure: str = Field(description="Who gets texts when they are checked; empty where nobody does.")
    checked: CheckedSources | None
    problem: str = Field(description="Why the stored check cannot be shown; empty where it can, or none is.")
    job: JobView | None = Field(description="The check that runs or waits now.")


class SourcePages(BaseModel, extra="forbid"):
    """Which page of each list."""

    sources: int = Field(1, ge=1, le=100_000)
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(25, ge=1, le=200)
    source: str = Field("", max_length=2000, description="Those of one source alone.")


class WantedSwitch(BaseModel, extra="forbid"):
    """A source, and how it is to be."""

    source: str = Field(min_length=1, max_length=LONGEST_NAME)
    on: bool


class SwitchedSource(WantedSwitch):
    """How a source is now."""

    has_changed: bool


class SourcesOfProject(Endpoint):
    """Show how good label sources are, where they and people differ, and what to write next, as of the last check."""

    name = "sources"
    path = f"/projects/{PROJECT}/sources"

    def answer(self, call: Call, asked: SourcePages) -> SourcesView:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        checked, problem = None, ""
        if found := project_sources(services, project):
            every = [each for each in found["differences"] if asked.source in ("", each["source"])]
            start = (asked.page - 1) * asked.size
            names = [each["name"] for each in found["sources"]]
            differences = [
                each | {"text": shortened(readable_text(each["text"]), TEXT_CHARACTERS)}
                for each in every[start : start + asked.size]
            ]
            shown = {
                "sources": found["sources"][(asked.sources - 1) * asked.size : asked.sources * asked.size],
                "names": names,
                "on": sum(each["is_on"] for each in found["sources"]),
                "differences": differences,
                "difference_count": len(every),
            }
            try:
                checked = CheckedSources.model_validate({**found, **shown})
            except ValidationError:
                problem = "The stored check was made by another version of labelloop; check the sources anew."
        job = active_job(services, project, CheckSourcesJob.name)
        return SourcesView(
            has_folder=bool(services.options.sources.folder),
            disclosure=who_gets_texts(services, project),
            checked=checked,
            problem=problem,
            job=JobView.of(job) if job else None,
        )


class CheckSources(StartsJob):
    """Measure the project's label sources, in child processes of a job."""

    name = "check_sources"
    path = f"/projects/{PROJECT}/sources/check"
    words = "Check the sources"

    def answer(self, call: Call, asked: NoFields) -> StartedJob:
        del asked
        if not call.services.options.sources.folder:
            raise ConfigurationError(
                f"no folder of label sources is set; set {PREFIX}SOURCES to one, and start backend and worker again"
            )
        return self.started(call, CheckSourcesJob(trigger="page", actor=call.visitor.name))


class SwitchSource(Endpoint):
    """Switch a label source of a project on or off, from the next training or check on."""

    name = "switch_source"
    path = f"/projects/{PROJECT}/sources/switch"
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}, source {source}, on {on}"
    words = "Switch"

    def answer(self, call: Call, asked: WantedSwitch) -> SwitchedSource:
        project = call.services.database.projects.get(call.ids["project_id"])
        actor = call.visitor.name
        has_changed = switch_source(call.services, project, asked.source, is_on=asked.on, actor=actor)
        return SwitchedSource(source=asked.source, on=asked.on, has_changed=has_changed)

    def sentence(self, answer: SwitchedSource) -> str:
        if not answer.on:
            return f"{answer.source} is off: trainings, proposals and selection do without it from now on."
        return f"{answer.source} is on again, unless it is surely below the floor."
