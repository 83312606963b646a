"""`labelloop predict`: predictions for a file of tasks, or for very many tasks as shards."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BulkError, ConfigurationError
from .app import app
from .files import VersionFolder, VersionName, check_version, version_path
from .options import AsJson
from .output import emit, note, notes
from .session import open_services

if TYPE_CHECKING:
    from ..domain.annotation import Prediction
    from ..domain.progress import Progress, ProgressCallback
    from ..workflows.bulk.run import BulkRequest
    from ..workflows.services import Services

__all__: list[str] = []

NOTE_EVERY_S = 30.0
NO_TEXT = "no field that the version reads holds a text"
REASONS = {
    "no_text": NO_TEXT,
    "no_model": "the version answers none of the questions that are asked there",
    "unknown_label": "every answer names labels that the label config lacks",
    "nothing_found": "the answer is that no label applies",
}


@app.command()
def predict(
    tasks: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Tasks as Label Studio imports or exports them, as JSON or JSON lines. With --format also Parquet, a "
            "folder of such files, or a URL such as s3://bucket/tasks.",
        ),
    ],
    model: VersionName = None,
    model_dir: VersionFolder = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="File to write; standard output otherwise. With --format the folder or URL for shards."
        ),
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Write shards in this format: jsonl or parquet."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Where workers run: local (processes of this machine) or ray (a Ray cluster).",
            show_default="ray if LABELLOOP_RAY_ADDRESS is set, else local",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Workers, each of which holds the model.", show_default="1")
    ] = None,
    shard_mb: Annotated[
        float | None,
        typer.Option(min=0.001, max=1000, help="MB of tasks that become one shard.", show_default="by their size"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a model version's predictions to tasks.

    Needs a version: --model or --model-dir. The tasks come out in the same order, ready to be imported into Label
    Studio, and each has the new prediction alone. Held-out tasks get one as well; `labelloop prelabel` leaves them
    blind, so use that for a connected project.

    With --format, any number of workers write shards, and _manifest.json counts what was predicted and what was not. A
    run that was interrupted goes on when it is started again with the same arguments.
    """
    check_version(model, model_dir)
    bulk = {"--engine": engine, "--workers": workers, "--shard-mb": shard_mb}
    if format_name is None:
        given = [name for name, value in bulk.items() if value is not None]
        if given:
            raise ConfigurationError(f"{', '.join(given)} found without --format; shards are in jsonl or parquet")
        _predict_file(version_path(services := open_services(), model, model_dir), services, tasks, out, as_json)
        return
    from ..workflows.bulk.crews.base import Crew
    from ..workflows.bulk.formats.base import BulkFormat
    from ..workflows.bulk.run import BulkRequest

    _check_choice("--format", format_name, [kind.name for kind in BulkFormat.all().values() if kind.is_written])
    if out is None:
        raise ConfigurationError("--format needs --out, the folder or URL that the shards are written to")
    services = open_services()
    engine = engine or ("ray" if services.options.ray.address else "local")
    _check_choice("--engine", engine, Crew.names())
    request = BulkRequest(tasks, out, format_name, engine, workers or 1, shard_mb)
    _predict_in_bulk(services, version_path(services, model, model_dir), request, as_json)


def _check_choice(option: str, found: str, wanted: list[str]) -> None:
    if found not in wanted:
        raise ConfigurationError(f"{option} {found} found; wanted {' or '.join(wanted)}")


def _predict_file(bundle: Path, services: "Services", tasks: str, out: str | None, as_json: bool) -> None:
    from ..atomic_files import atomic_text
    from ..labelstudio.files.notes import FileNotes
    from ..workflows.labeling.predict import predict_file

    found = FileNotes()
    predicted = predict_file(services, bundle, Path(tasks), found)
    with nullcontext(sys.stdout) if out is None else atomic_text(Path(out)) as target:
        rows = _write_predictions(predicted, target)
    for sentence in found.sentences:
        note(f"note: {sentence}")
    if out is not None:
        emit({"path": out, "rows": rows}, as_json=as_json, lines=[f"{rows} tasks in {out}"])


def _write_predictions(predicted: Iterable[tuple[Mapping[str, Any], "Prediction"]], target: IO[str]) -> int:
    """Write tasks with their predictions as a JSON list, one task a line; returns how many."""
    from ..labelstudio.files.export_file import with_prediction

    rows = without = 0
    for item, prediction in predicted:
        whole = json.dumps(with_prediction(item, prediction), ensure_ascii=False)
        target.write(f"{',' if rows else '['}\n{whole}")
        rows += 1
        without += not prediction.result
    target.write("\n]\n" if rows else "[]\n")
    if without:
        note(f"note: {without} of {rows} tasks got no prediction: {NO_TEXT}")
    return rows


def _predict_in_bulk(services: "Services", bundle: Path, request: "BulkRequest", as_json: bool) -> None:
    from ..workflows.bulk.run import predict_in_bulk
    from .foreground import ProgressDisplay

    with ProgressDisplay() as show:
        manifest = predict_in_bulk(services.options, bundle, request, show if notes().is_terminal else _now_and_then())
    for reason, count in manifest["without_prediction"].items():
        note(f"note: {count:,} of {manifest['rows']:,} tasks got an empty prediction: {REASONS.get(reason, reason)}")
    if manifest["changed_values"]:
        note(f"note: values that JSON or Unicode does not have, read as null or U+FFFD: {manifest['changed_values']:,}")
    shown = {key: value for key, value in manifest.items() if key not in ("files", "shards", "unreadable_examples")}
    lines = [f"{manifest['rows']:,} tasks in {len(manifest['shards']):,} shards in {request.out}"]
    emit({**shown, "path": request.out, "shards": len(manifest["shards"])}, as_json=as_json, lines=lines)
    if manifest["unreadable"]:
        examples = "; ".join(f"{each['where']}: {each['problem']}" for each in manifest["unreadable_examples"][:3])
        raise BulkError(
            f"no tasks, and left out: {manifest['unreadable']:,}; all others are written. {examples}; "
            "_manifest.json shows more of them"
        )


def _now_and_then() -> "ProgressCallback":
    """Return what writes a line twice a minute, for logs."""
    next_at = 0.0

    def show(progress: "Progress") -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + NOTE_EVERY_S
            note(f"{progress.fraction:4.0%} {progress.message}")

    return show
