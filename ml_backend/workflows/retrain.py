"""Asking for work: one path for Start Training, the policy, the page and the command line."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..domain.job import Job, JobKind
from ..domain.model import Method
from .services import Services

__all__ = ["TrainRequest", "request_prelabeling", "request_promotion", "request_training"]


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What a training job was asked to do; the job's row keeps it.

    Attributes:
        trigger: who asked: `label-studio`, `policy`, `page` or `command`.
        overrides: training settings by name, as text.
        snapshot: folder of a snapshot; None: take one of the project first.
        out: folder that gets a copy of the serving bundle; None: the registry's copy is enough.
    """

    trigger: str
    base_model: str
    seed: int
    method: Method = Method.AUTO
    overrides: Mapping[str, str] = field(default_factory=dict)
    snapshot: str | None = None
    out: str | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "TrainRequest":
        """What a job's row says."""
        return cls(**dict(params) | {"method": Method(params["method"])})

    def params(self) -> dict[str, Any]:
        """For a job's row."""
        return asdict(self)

    def trains_like(self, other: "TrainRequest") -> bool:
        """True where the same snapshot would give the same model."""
        return (self.base_model, self.seed, self.method, dict(self.overrides)) == (
            other.base_model,
            other.seed,
            other.method,
            dict(other.overrides),
        )


def request_training(
    services: Services,
    project_id: int,
    *,
    trigger: str,
    request: TrainRequest | None = None,
    dedupe_key: str | None = None,
    claim: bool = False,
) -> tuple[Job, bool]:
    """A training job for a project, and True where it is new; while one waits or runs, everybody gets that one.

    Args:
        dedupe_key: what makes two requests the same work; None: the project.
        claim: the caller runs the job itself.

    Raises:
        ProjectNotFound: the project was never connected.
    """
    if project_id:
        services.database.projects.get(project_id)
    if request is None:
        request = TrainRequest(trigger, services.options.base_model, services.options.seed)
    return services.database.jobs.request(
        JobKind.TRAIN, project_id, request.params(), dedupe_key=dedupe_key or f"train:{project_id}", claim=claim
    )


def request_prelabeling(services: Services, project_id: int, *, trigger: str, claim: bool = False) -> tuple[Job, bool]:
    """A job that pushes the serving version's missing pre-labels, and True where it is new."""
    services.database.projects.get(project_id)
    return services.database.jobs.request(
        JobKind.PRELABEL, project_id, {"trigger": trigger}, dedupe_key=f"prelabel:{project_id}", claim=claim
    )


def request_promotion(
    services: Services, project_id: int, version: str | None, *, reason: str, is_forced: bool, claim: bool = False
) -> tuple[Job, bool]:
    """A job that promotes a version, or rolls back where the version is None; and True where it is new."""
    services.database.projects.get(project_id)
    params = {"version": version, "reason": reason, "is_forced": is_forced}
    return services.database.jobs.request(
        JobKind.PROMOTE, project_id, params, dedupe_key=f"promote:{project_id}", claim=claim
    )
