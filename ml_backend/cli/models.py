"""`labelloop models`: look at versions, compare, promote and roll back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigurationError
from .app import app
from .options import AsJson, OptionalProject
from .output import emit, note, table
from .session import open_services, operator
from .slices import comparison_table

if TYPE_CHECKING:
    from ..domain.job import Job
    from ..domain.model import GateDecision, ModelVersion
    from ..workflows.services import Services
    from ..workflows.training.side_by_side import SideBySide

__all__: list[str] = []

_models = typer.Typer(help="List, compare, promote and roll back model versions.", no_args_is_help=True)
app.add_typer(_models, name="models")
Version = Annotated[str, typer.Argument(metavar="VERSION", help="Such as support-tickets-3-v2.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the promotion.")]


@_models.command("list")
def list_models(project: OptionalProject = None, as_json: AsJson = False) -> None:
    """List model versions by project, newest first.

    The score is macro-F1, for entities strict F1, with several controls their mean.
    """
    services = open_services()
    keys = (
        [services.database.projects.get(project).ref.key] if project is not None else services.versions.project_keys()
    )
    versions = [version for key in keys for version in services.versions.all(key)]
    rows = [
        (
            version.name,
            "champion" if version.is_champion else "challenger" if version.is_challenger else "",
            version.method,
            version.learned_from,
            version.snapshot_id,
            _figure(version.metrics.get("score")),
            f"{version.created_at:%Y-%m-%d %H:%M}",
        )
        for version in versions
    ]
    columns = ("version", "", "method", "learned from", "snapshot", "validation score", "made (UTC)")
    emit(list(map(_facts, versions)), as_json=as_json, lines=[table(columns, rows)])


@_models.command()
def show(version: Version, as_json: AsJson = False) -> None:
    """Show everything about a version."""
    facts = _facts(open_services().versions.get(version))
    emit(facts, as_json=as_json, lines=[table(("", ""), [(name, str(value)) for name, value in facts.items()])])


@_models.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="CHAMPION", help="The version to beat.")],
    second: Annotated[str, typer.Argument(metavar="CHALLENGER", help="The version that wants to beat it.")],
    drafts: Annotated[
        int, typer.Option(min=0, help="Prompts whose responses are shown, the base model's beside the versions'.")
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Compare two versions on the project's newest test rows.

    Promotes nothing. What both answered is kept for the admin's page, which shows them side by side.
    """
    from ..workflows.promoting.gate import compare_versions

    comparison = compare_versions(open_services(), first, second, drafts=drafts)
    slices = ["", comparison_table(comparison.decision.slices)] if comparison.decision.slices else []
    lines = [*_decision_lines(comparison.decision), *slices, *_draft_lines(comparison.drafts)]
    emit({**asdict(comparison.decision), "drafts": comparison.drafts}, as_json=as_json, lines=lines)


@_models.command()
def promote(
    version: Version,
    force: Annotated[bool, typer.Option("--force", help="Promote without the gate; needs --reason.")] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Let a version serve, if it beats the one that does.

    The gate compares both on the project's newest test rows. With --force, there is no gate.
    """
    if force and not reason.strip():
        raise ConfigurationError("--force leaves the gate out; say why with --reason TEXT")
    services = open_services()
    project_id = _project_of(services, version)
    _run_promotion(services, project_id, version, reason=reason, is_forced=force, as_json=as_json)


@_models.command()
def rollback(project: OptionalProject = None, reason: Reason = "rolled back", as_json: AsJson = False) -> None:
    """Let the version that served before serve again."""
    if project is None:
        raise ConfigurationError("name the project: --project ID")
    services = open_services(project=project)
    _run_promotion(services, project, None, reason=reason, is_forced=True, as_json=as_json)


@_models.command("log")
def show_log(project: OptionalProject = None, as_json: AsJson = False) -> None:
    """List what was promoted, forced, rolled back and kept out in a project, when, by whom and why; newest first."""
    from ..workflows.promoting.log import promotion_log

    if project is None:
        raise ConfigurationError("name the project: --project ID")
    services = open_services(project=project)
    entries = promotion_log(services, services.database.projects.get(project))
    rows = [
        (
            f"{entry['at']:%Y-%m-%d %H:%M}",
            entry["action"],
            entry["version"],
            entry["previous"],
            entry["by"] or None,
            entry["reason"],
        )
        for entry in entries
    ]
    columns = ("when (UTC)", "", "version", "served before", "by", "why")
    emit(entries, as_json=as_json, lines=[table(columns, rows)])


def _facts(version: "ModelVersion") -> dict[str, Any]:
    return {**asdict(version), "learned_from": version.learned_from}


def _run_promotion(
    services: "Services", project_id: int, version: str | None, *, reason: str, is_forced: bool, as_json: bool
) -> None:
    from ..workflows.jobs.kinds.promote import PromoteJob
    from .foreground import run_in_foreground

    def claim() -> "tuple[Job, bool]":
        wanted = PromoteJob(version=version, reason=reason, is_forced=is_forced, actor=operator())
        job, is_new = wanted.request(services, project_id, claim=True)
        if not is_new:
            note(f"another promotion is under way: {dict(job.params)}")
        return job, is_new

    result = run_in_foreground(services, claim).result
    emit(result, as_json=as_json, lines=[f"{result['model_version']} serves; before: {result['previous']}"])


def _project_of(services: "Services", version: str) -> int:
    key = services.versions.get(version).project_key
    for project in services.database.projects.all():
        if project.ref.key == key:
            return project.id
    raise ConfigurationError(
        f"{version} was trained on files, not for a connected project; name it with --model where it is to be used"
    )


def _decision_lines(decision: "GateDecision") -> list[Any]:
    at_least = f"at least, with {decision.confidence:.1%} confidence" if decision.confidence else "at least"
    facts: Mapping[str, object] = {
        decision.champion: f"{decision.metric} {decision.champion_score:.4f}",
        decision.challenger: f"{decision.metric} {decision.challenger_score:.4f}",
        "difference": f"{decision.difference:+.4f}",
        at_least: _figure(decision.lower_bound),
        "may be worse by": _figure(decision.margin or None),
        "McNemar's exact p, two-sided": _figure(decision.mcnemar_p),
        "test rows": decision.rows,
        "gates before": decision.earlier_gates,
        "error spent": decision.spending,
    }
    return [
        table(("", ""), list(facts.items())),
        decision.reason,
        *(f"note: {warning}" for warning in decision.warnings),
    ]


def _draft_lines(drafts: Sequence["SideBySide"]) -> list[Any]:
    lines: list[Any] = []
    for each in drafts:
        experts = [("expert", "", response) for response in each.experts]
        rows = experts + [(writing.writer, f"{writing.rouge_l:.3f}", writing.response) for writing in each.writings]
        lines += ["", f"{each.control}, task {each.task_id}: {each.prompt}", table(("", "ROUGE-L", ""), rows)]
    return lines


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
