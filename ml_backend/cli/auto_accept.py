"""`labelloop auto-accept`: accept answers by certificates, and take them back."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..domain.acceptance import KeptCertificate
from ..errors import ConfigurationError
from .app import app
from .options import AsJson, OptionalProject
from .output import emit, note, table
from .session import open_services

if TYPE_CHECKING:
    from rich.table import Table

    from ..domain.project import Project
    from ..workflows.accepting.certify import AcceptancePlan
    from ..workflows.services import Services

__all__: list[str] = []

_commands = typer.Typer(help="Accept answers that are certified to be right, and take them back.", no_args_is_help=True)
app.add_typer(_commands, name="auto-accept")


@_commands.command()
def plan(project: OptionalProject = None, as_json: AsJson = False) -> None:
    """Say what certificates take, and what they would cover.

    Looks at validation rows alone, so it costs nothing, however often it is asked.
    """
    services, connected = _opened(project)
    from ..workflows.accepting.certify import Certifier

    forecast = Certifier(services, connected).plan()
    emit(forecast, as_json=as_json, lines=() if as_json else _plan_lines(forecast))


@_commands.command()
def on(
    project: OptionalProject = None,
    limit: Annotated[
        float,
        typer.Option(
            min=KeptCertificate.LEAST_LIMIT,
            max=KeptCertificate.GREATEST_LIMIT,
            help="The share of accepted answers that may be wrong.",
        ),
    ] = 0.02,
    audit_share: Annotated[
        float,
        typer.Option(
            min=KeptCertificate.LEAST_AUDIT_SHARE,
            max=KeptCertificate.GREATEST_AUDIT_SHARE,
            help="Share that people answer instead, without a hint.",
        ),
    ] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Try for a certificate on the blind test rows, and accept what it covers.

    A try that fails spends a share of the project's budget of error for certificates.
    """
    services, connected = _opened(project)
    from ..workflows.accepting.certify import Certifier
    from ..workflows.accepting.spending import check_certified, spent_sentence
    from ..workflows.jobs.kinds.accept import AcceptJob
    from .foreground import claimed, run_in_foreground

    certificate = Certifier(services, connected).certify(limit, audit_share)
    check_certified(services, connected, certificate)
    note(certificate.promise)
    job = run_in_foreground(services, claimed(services, connected.id, AcceptJob(trigger="command")))
    result = {"certificate": asdict(certificate), "job_id": job.id, **job.result}
    lines = [
        certificate.promise,
        spent_sentence(services, connected),
        f"{job.result['accepted']} answers accepted, {job.result['audits']} left to people without a hint",
    ]
    if job.result["unfit"]:
        lines.append(f"{job.result['unfit']} more are left to people, since their texts fit none of the labels")
    emit(result, as_json=as_json, lines=lines)


@_commands.command()
def off(project: OptionalProject = None, as_json: AsJson = False) -> None:
    """Accept nothing any more; what was accepted stays."""
    services, connected = _opened(project)
    from ..workflows.accepting.in_force import stop_accepting

    has_ended = stop_accepting(services, connected)
    line = "nothing is accepted any more" if has_ended else "no certificate was in force; nothing was changed"
    emit({"was_on": has_ended}, as_json=as_json, lines=[line])


@_commands.command()
def undo(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Such as support-tickets-3-v2.")],
    project: OptionalProject = None,
    as_json: AsJson = False,
) -> None:
    """Delete exactly the annotations that a version accepted and nobody has changed since."""
    services, connected = _opened(project)
    from ..workflows.jobs.kinds.undo import UndoJob
    from .foreground import claimed, run_in_foreground

    job = run_in_foreground(services, claimed(services, connected.id, UndoJob(version=version)))
    result = {"job_id": job.id, **job.result}
    lines = [
        f"{result['deleted']} accepted answers deleted",
        f"{result['changed']} stay, since people have changed them; {result['gone']} were gone before",
    ]
    emit(result, as_json=as_json, lines=lines)


def _opened(project: int | None) -> "tuple[Services, Project]":
    if project is None:
        raise ConfigurationError("name the project: --project ID")
    services = open_services(project=project)
    return services, services.database.projects.get(project)


def _plan_lines(forecast: "AcceptancePlan") -> "Iterator[str | Table]":
    yield (
        f"{forecast.version}: {forecast.test_rows} blind test rows and {forecast.validation_rows} validation rows in "
        f"snapshot {forecast.snapshot_id}"
    )
    if forecast.left_out:
        yield f"{forecast.left_out} test rows are left out, since labelloop did not see them labeled without a hint"
    rows: list[tuple[Any, ...]] = [
        (
            f"{each.limit:.0%}",
            each.rows_needed,
            "no way to it" if each.missing_rows is None else each.missing_rows,
            f"{each.coverage:.0%}",
            f"{each.tasks} of {forecast.unlabeled}",
        )
        for each in forecast.forecasts
    ]
    columns = ("wrong at most", "accepted rows without an error", "test rows missing", "covers", "unlabeled tasks now")
    yield table(columns, rows)
    yield (
        f"spent {forecast.spent:.4f} of {forecast.budget}; the next try may err in {forecast.next_share:.4f}, and "
        "spends that if it fails"
    )
    yield f"in force: {forecast.in_force.promise}" if forecast.in_force else "no certificate is in force"
