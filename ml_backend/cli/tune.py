"""`labelloop tune`."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..domain.model import GREATEST_SEED, Method
from ..errors import ConfigurationError
from .app import app
from .options import AsJson, OptionalProject, SnapshotFolder
from .output import emit, note, table
from .session import open_services, operator
from .train import overrides_from

if TYPE_CHECKING:
    from rich.table import Table

    from ..domain.progress import Progress
    from ..domain.snapshot import Snapshot
    from ..options import Options
    from ..workflows.services import Services
    from ..workflows.training.train import TrainingChoices
    from ..workflows.tuning.search import Search

__all__: list[str] = []


@app.command()
def tune(
    project: OptionalProject = None,
    snapshot: SnapshotFolder = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials that the study is to hold, those of other workers included.")
    ] = 30,
    budget: Annotated[
        float | None,
        typer.Option(metavar="MIN", min=0, help="Minutes for the search.", show_default="as long as the trials take"),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="A training setting to search, and LOW..HIGH (by orders of magnitude where HIGH is over 10 times LOW) "
            "or A,B,C; may be repeated.",
            show_default="learning rate, batch size, epochs and rank",
        ),
    ] = None,
    method: Annotated[
        Method,
        typer.Option(help="What is tried: auto and lora: LoRA; full: all weights; regression. The training is by it."),
    ] = Method.AUTO,
    base_model: Annotated[
        str | None,
        typer.Option(help="Model to start from: a Hugging Face name or a folder.", show_default="LABELLOOP_BASE_MODEL"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=GREATEST_SEED, help="Seed of every trial.", show_default="LABELLOOP_SEED")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A training setting of every trial; may be repeated."),
    ] = None,
    train: Annotated[
        bool | None,
        typer.Option(
            "--train/--no-train",
            help="Train with the best settings in the end.",
            show_default="with --project, where they beat the defaults by more than chance",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search training settings that score higher than the defaults.

    Needs --project or --snapshot. The defaults are the first trial. Trials are scored on validation rows, or on folds
    of train where there are under 200, never on test. Equal commands share a study: a second one, on any machine with
    the same database, takes trials of it, and one that was stopped goes on. Where jobs run on a Ray cluster, nodes with
    room take trials too. Trials are runs in MLflow.
    """
    from ..learning.search_space import SearchedSetting
    from ..workflows.training.train import TrainingChoices
    from ..workflows.tuning.search import Search, snapshot_to_search
    from ..workflows.tuning.search import search as run_search

    if (project is None) == (snapshot is None):
        raise ConfigurationError("name what to search settings for: either --project ID or --snapshot DIR")
    if method in (Method.QLORA, Method.DPO):
        raise ConfigurationError(f"--method {method} is for texts, and a search is for labels; wanted lora")
    searched = SearchedSetting.parse_all(search or (), Method.LORA if method is Method.AUTO else method)
    overrides = overrides_from(settings or [])
    if both := sorted({setting.name for setting in searched} & overrides.keys()):
        raise ConfigurationError(f"{', '.join(both)} is both searched and --set; leave one of the two out")
    services = open_services(project=project)
    choices = TrainingChoices(
        base_model=base_model or services.options.models.base_model,
        seed=services.options.seed if seed is None else seed,
        method=method,
        overrides=overrides,
    )
    found = snapshot_to_search(services, project, snapshot)
    note("searching " + ", ".join(f"{each} (log)" if each.is_log else str(each) for each in searched))
    wanted = Search(choices, searched, trials, budget)
    join = partial(_join, services.options, project or 0, found, wanted)
    with services.share("tune", dict.fromkeys(range(1, trials), join)):
        result = dict(run_search(services, found, wanted, _show))
    is_trained = train if train is not None else project is not None and result["gain"]["is_beyond_chance"]
    result["training"] = None
    if is_trained:
        best = {} if result["best"]["is_default"] else {name: str(v) for name, v in result["best"]["values"].items()}
        result["training"] = _trained(services, choices, overrides | best, project, str(found.path))
    emit(result, as_json=as_json, lines=_lines(result))


def _join(options: "Options", project: int, snapshot: "Snapshot", wanted: "Search") -> bool:
    """Take trials of a search on another machine, until there are enough; return True."""
    from ..domain.progress import Progress
    from ..workflows.exporting.snapshots import stored_snapshot
    from ..workflows.tuning.search import search as run_search

    services = open_services(options, project=project)
    if not snapshot.path.is_dir():
        known = services.database.projects.get(project)
        snapshot = stored_snapshot(services, known, snapshot.id)
    run_search(services, snapshot, wanted, Progress.ignore)
    return True


def _show(progress: "Progress") -> None:
    note(f"{progress.stage}: {progress.message}")


def _trained(
    services: "Services",
    choices: "TrainingChoices",
    overrides: Mapping[str, str],
    project: int | None,
    snapshot: str | None,
) -> dict[str, Any]:
    """Run an ordinary training job with the settings; its version passes the gate like any other."""
    from ..workflows.jobs.kinds.train import TrainJob
    from .foreground import run_in_foreground

    sources = services.options.sources
    wanted = TrainJob(
        trigger="command",
        actor=operator(),
        base_model=choices.base_model,
        seed=choices.seed,
        method=choices.method,
        overrides=overrides,
        snapshot=None if project else snapshot,
        weak_rows=sources.weak_rows,
        sources=sources.folder,
    )
    job = run_in_foreground(services, lambda: wanted.request(services, project or 0, claim=True))
    return {"job_id": job.id, **job.result}


def _lines(result: Mapping[str, Any]) -> "Iterator[str | Table]":
    gain, best, training = result["gain"], result["best"], result["training"]
    ended = [trial for trial in result["trials"] if trial["state"] != "running"]
    yield f"{len(ended)} trials in study {result['study']}, scored by {result['metric']} on {result['scored_on']}"
    yield gain["words"]
    rows = [
        ("defaults", f"{result['default']['score']:.4f}", _values(result["default"]["values"])),
        ("best", f"{best['score']:.4f}", _values(best["values"])),
    ]
    yield table(("trial", result["metric"], "values"), rows)
    if len(result["importance"]) > 1:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in result["importance"].items())
        yield f"the scores vary with: {shares}"
    if training:
        yield f"trained with the best: {training['model_version']} ({training['method']})"
        yield (training.get("gate") or {}).get("reason", "no test rows, so no gate was held")
    elif not best["is_default"]:
        options = " ".join(f"--set {name}={value}" for name, value in best["values"].items())
        yield f"not trained; to do so: labelloop train, with the same rows, --method {result['method']} {options}"


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    )
