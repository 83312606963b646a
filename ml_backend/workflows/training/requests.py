"""Asking for work: one path for Start Training, the policy, the page and the command line."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...domain.job import Job, JobKind
from ...domain.model import Method
from ..services import Services

__all__ = [
    "AuditRequest",
    "TrainRequest",
    "request_audit",
    "request_prelabeling",
    "request_promotion",
    "request_training",
]


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What a training job was asked to do; the job's row keeps it.

    Attributes:
        trigger: who asked: `label-studio`, `policy`, `page` or `command`.
        overrides: training settings by name, as text.
        snapshot: folder of a snapshot; None: take one of the project first.
        out: folder that gets a copy of the serving bundle; None: the registry's copy is enough.
        text_base_model: what is tuned for controls that are answered with a text; "": that of the settings.
    """

    trigger: str
    base_model: str
    seed: int
    method: Method = Method.AUTO
    overrides: Mapping[str, str] = field(default_factory=dict)
    snapshot: str | None = None
    out: str | None = None
    text_base_model: str = ""

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "TrainRequest":
        """What a job's row says."""
        return cls(**dict(params) | {"method": Method(params["method"])})

    def params(self) -> dict[str, Any]:
        """For a job's row."""
        return asdict(self)

    def trains_like(self, other: "TrainRequest") -> bool:
        """True where the same snapshot would give the same model."""
        return (self.base_model, self.text_base_model, self.seed, self.method, dict(self.overrides)) == (
            other.base_model,
            other.text_base_model,
            other.seed,
            other.method,
            dict(other.overrides),
        )


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What an audit job was asked to do; the job's row keeps it.

    Attributes:
        trigger: who asked: `training` or `command`.
        is_deep: LoRA is trained anew for every fold, rather than a regression on frozen features.
        is_pushed: what is found is shown in Label Studio.
        snapshot: folder of a snapshot; None: take one of the project first.
    """

    trigger: str
    is_deep: bool = False
    is_pushed: bool = False
    snapshot: str | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "AuditRequest":
        """What a job's row says."""
        return cls(**params)

    def params(self) -> dict[str, Any]:
        """For a job's row."""
        return asdict(self)


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
        request = TrainRequest(trigger, services.options.models.base_model, services.options.seed)
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


def request_audit(
    services: Services, project_id: int, request: AuditRequest, *, claim: bool = False
) -> tuple[Job, bool]:
    """A job that audits the labels of a project or a snapshot, and True where it is new.

    While an equal one waits or runs, everybody gets that one.

    Raises:
        ProjectNotFound: the project was never connected.
    """
    if project_id:
        services.database.projects.get(project_id)
    wanted = [name for name, is_wanted in (("deep", request.is_deep), ("push", request.is_pushed)) if is_wanted]
    # Paths may be longer than a key.
    of = hashlib.sha256(request.snapshot.encode()).hexdigest()[:16] if request.snapshot else str(project_id)
    key = ":".join(("audit", of, *wanted))
    return services.database.jobs.request(JobKind.AUDIT, project_id, request.params(), dedupe_key=key, claim=claim)
