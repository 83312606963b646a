"""`labelloop move`, `labelloop backup` and `labelloop restore`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError
from .app import app
from .options import AsJson
from .output import emit, note
from .session import open_services, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__: list[str] = []


@app.command()
def move(
    database_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Empty database for the state, such as postgresql+psycopg://user@host/db."),
    ] = None,
    mlflow_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another empty database, for MLflow's runs and registry.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the state into other databases, such as PostgreSQL.

    Stop all labelloop processes first. The databases from before are left as they are, and files stay in the home
    folder. At the end it prints the settings with which the processes use the copies.
    """
    from sqlalchemy import make_url

    from ..workflows.state.move import move_state

    settings = read_settings()
    services = open_services(settings)
    state_rows, mlflow_rows = move_state(services, settings.mlflow, database=database_url, mlflow=mlflow_url)
    urls = {"LABELLOOP_DATABASE_URL": database_url, "LABELLOOP_MLFLOW_URL": mlflow_url}
    shown = {name: make_url(url).render_as_string() for name, url in urls.items() if url}
    home = services.options.home
    emit(
        {"database": state_rows, "mlflow": mlflow_rows, "settings": shown, "home": home},
        as_json=as_json,
        lines=[
            *_counts("state", state_rows),
            *_counts("MLflow", mlflow_rows),
            "set for every process from now on:",
            *(f"  {name}={url}" for name, url in shown.items()),
        ],
    )
    if any("***" in url for url in shown.values()):
        note("with the password where *** stands")
    if not mlflow_url:
        note(f"MLflow stays where it is, which is right for as long as every process has the home folder {home}")
    note(f"models and snapshots stay in {home}; the databases from before are untouched")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write: .tar, .tar.gz or .tgz.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole state into one file.

    Everything may go on running meanwhile. The file holds the SQLite databases, models and snapshots, and so the
    experts' texts. Logs, temporary files, the progress of unfinished jobs and what can be fetched again are left out.
    """
    from ..workflows.state.backup import back_up

    settings = read_settings()
    written = back_up(settings.home, settings.database, settings.mlflow, file, datetime.now(UTC))
    emit(written, as_json=as_json, lines=[f"{written.files} files, {written.bytes / 1e6:.1f} MB, in {written.path}"])


@app.command()
def restore(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="File that `labelloop backup` wrote.")
    ],
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty LABELLOOP_HOME.

    The folder need not be where it was when the backup was made: stored paths are changed accordingly.
    """
    from ..workflows.state.backup import restore as restore_backup

    settings = read_settings()
    if settings.database_url or settings.mlflow_url:
        raise ConfigurationError(
            "LABELLOOP_DATABASE_URL or LABELLOOP_MLFLOW_URL is set, so what is restored into the home folder would not "
            "be used; restore without them, then move the state with `labelloop move`"
        )
    manifest, moved_paths = restore_backup(file, settings.home, lambda: datetime.now(UTC))
    emit(
        {"home": settings.home.resolve(), "files": len(manifest.files), "moved_paths": moved_paths}
        | {"labelloop": manifest.labelloop, "created_at": manifest.created_at, "original_home": manifest.home},
        as_json=as_json,
        lines=[f"{len(manifest.files)} files of {manifest.created_at} in {settings.home.resolve()}"],
    )


def _counts(what: str, rows: "Mapping[str, int]") -> list[str]:
    filled = {name: count for name, count in rows.items() if count}
    return [f"{what}: {', '.join(f'{count} {name}' for name, count in filled.items()) or 'no rows'}"] if rows else []
