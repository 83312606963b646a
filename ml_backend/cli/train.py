"""`labelloop train`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..domain.model import GREATEST_SEED, Method, Suspects, WeakRows
from ..domain.reasons import ReasonCount
from ..errors import ConfigurationError, SnapshotError
from .app import app
from .options import AsJson, OptionalProject, OptionalSourceFolder, SnapshotFolder
from .output import emit, note, note_reasons, table
from .session import open_services, operator

if TYPE_CHECKING:
    from rich.table import Table

    from ..workflows.services import Services

__all__ = ["overrides_from"]

FIGURES = {
    "rows": "rows",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "ndcg": "NDCG",
    "agreement": "agreement",
    "mean_absolute_error": "mean error",
    "median_error": "median's error",
    "expected_calibration_error": "calibration error",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "perplexity": "perplexity",
    "preferred": "preferred",
}
"""Titles of the columns, of which those are shown that have a figure."""


@app.command()
def train(
    project: OptionalProject = None,
    snapshot: SnapshotFolder = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="Model to start from: a Hugging Face name or a folder.", show_default="LABELLOOP_BASE_MODEL"),
    ] = None,
    text_base_model: Annotated[
        str | None, typer.Option(help="The same for text areas.", show_default="LABELLOOP_TEXT_BASE_MODEL")
    ] = None,
    method: Annotated[
        Method,
        typer.Option(
            help="auto: the better of regression and LoRA on held-out rows; LoRA for texts. full: all weights. qlora: "
            "for texts alone, on CUDA. dpo: go on with a version that writes, from pairs of responses."
        ),
    ] = Method.AUTO,
    seed: Annotated[
        int | None, typer.Option(min=0, max=GREATEST_SEED, help="Seed of the run.", show_default="LABELLOOP_SEED")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="MIN",
            help="Minutes that the training may take; folds, adversarial passes and epochs beyond them are left out.",
            show_default="as long as all of it takes",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A training setting; may be repeated.")
    ] = None,
    suspects: Annotated[
        Suspects | None,
        typer.Option(
            help="Train rows whose label an audit suspects: kept, weighted down or left out.",
            show_default="downweight",
        ),
    ] = None,
    weak: Annotated[
        WeakRows | None,
        typer.Option(
            help="Whether to learn from what label sources propose for unlabeled tasks. auto: unless a regression "
            "is worse with it on rows that people labeled.",
            show_default="LABELLOOP_WEAK_ROWS",
        ),
    ] = None,
    augment: Annotated[
        WeakRows,
        typer.Option(
            help="Whether to learn from edited copies of rows of rare labels: mistyped, or parts mixed. auto: where a "
            "regression is better with them."
        ),
    ] = WeakRows.NONE,
    reword: Annotated[
        bool,
        typer.Option(
            "--reword",
            help="With --augment: let the language model of LABELLOOP_TEXT_SERVER_URL, which gets their texts, reword "
            "such rows too.",
        ),
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="VERSION",
            help="With --method dpo: the version to go on with.",
            show_default="the champion",
        ),
    ] = None,
    preferences: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            metavar="DIR",
            help="With --method dpo: more pairs of responses, a folder of `labelloop export --format preferences`.",
        ),
    ] = None,
    sources: OptionalSourceFolder = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="Unlabeled tasks that the sources read; with --snapshot."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder for a copy of the trained version.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model, and let it serve if it is better.

    Needs --project or --snapshot. The gate compares the trained version with the one that serves on test rows that
    neither has seen, and promotes it if it is better; the exit status is 0 either way, and the version stays in the
    registry. Shows progress; Ctrl-C cancels.
    """
    from ..workflows.jobs.kinds.train import TrainJob
    from .foreground import run_in_foreground

    if (project is None) == (snapshot is None):
        raise ConfigurationError("name what to train on: either --project ID or --snapshot DIR")
    _check_sources(project, weak, sources, tasks)
    if method is not Method.DPO and (start or preferences):
        raise ConfigurationError(f"--from and --preferences go with --method dpo, and --method {method} was found")
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SnapshotError(f"{out} holds something already; choose a folder that is empty or not there yet")
    options = {"suspects": suspects, "budget_min": budget}
    named = [f"{name}={value}" for name, value in options.items() if value is not None]
    overrides = overrides_from([*(settings or []), *named])
    services = open_services(project=project)
    if reword:
        _check_rewording(services, augment)
    source_options = services.options.sources
    if weak not in (None, WeakRows.NONE) and not (sources or source_options.folder):
        raise ConfigurationError(f"--weak {weak} found without label sources; name their folder with --sources")
    wanted = TrainJob(
        trigger="command",
        actor=operator(),
        base_model=base_model or services.options.models.base_model,
        seed=services.options.seed if seed is None else seed,
        method=method,
        overrides=overrides,
        snapshot=str(snapshot.resolve()) if snapshot else None,
        out=str(out.resolve()) if out else None,
        text_base_model=text_base_model or "",
        augment=augment,
        reword=reword,
        weak_rows=weak or (WeakRows.AUTO if sources else source_options.weak_rows),
        sources=str(sources.resolve()) if sources else source_options.folder,
        tasks=str(tasks.resolve()) if tasks else None,
        start=start or "",
        preferences=str(preferences.resolve()) if preferences else "",
    )
    job = run_in_foreground(services, lambda: wanted.request(services, project or 0, claim=True))
    result = {"job_id": job.id, **job.result}
    if "same_as" in result:
        note(f"the snapshot is unchanged since job {result['same_as']}, so nothing was trained again")
    gate = result.get("gate") or {}
    for warning in (*result.get("warnings", ()), *gate.get("warnings", ())):
        note(f"note: {warning}")
    note_reasons(ReasonCount.list_from_json(result.get("reasons", [])))
    emit(result, as_json=as_json, lines=_lines(result))


def _check_sources(project: int | None, weak: WeakRows | None, sources: Path | None, tasks: Path | None) -> None:
    if tasks is not None and project is not None:
        raise ConfigurationError("--tasks goes with --snapshot; a project's unlabeled tasks are in Label Studio")
    if sources is None:
        return
    if weak is WeakRows.NONE:
        raise ConfigurationError("--sources and --weak none found; leave one of them out")
    if project is None and tasks is None:
        raise ConfigurationError("--sources found without --tasks; name a file of unlabeled tasks for them to read")


def _check_rewording(services: "Services", augment: WeakRows) -> None:
    if augment is WeakRows.NONE:
        raise ConfigurationError("--reword found without --augment; add --augment auto or --augment rows")
    url = services.options.text_server.url
    if not url:
        raise ConfigurationError("--reword found without a language model; set LABELLOOP_TEXT_SERVER_URL")
    note(f"{url} gets texts of train rows of rare labels, to reword them")


def overrides_from(settings: list[str]) -> dict[str, str]:
    """Return the settings that `--set` gives, as text by name.

    Raises:
        ConfigurationError: one is not of the form KEY=VALUE, unknown, or its value does not fit.
    """
    from ..learning.overrides import settings_from

    pairs = [setting.partition("=") for setting in settings]
    wrong = [setting for setting, (name, equals, _) in zip(settings, pairs, strict=True) if not (name and equals)]
    if wrong:
        raise ConfigurationError(f"--set {wrong[0]} found; wanted KEY=VALUE, such as --set epochs=3")
    overrides = {name.strip(): value for name, _, value in pairs}
    settings_from(Method.AUTO, 0, overrides)  # complains now rather than in the child
    return overrides


def _lines(result: Mapping[str, Any]) -> "list[str | Table]":
    lines: list[str | Table] = [
        f"{result['model_version']} ({result['method']}, {result['seconds']:.0f} s) in {result['model_dir']}"
    ]
    for control, each in result.get("weak_rows", {}).get("controls", {}).items():
        done = "learned from" if each["is_kept"] else "left out"
        lines.append(f"{each['rows']} weak rows of {control} {done}: {each['reason']}")
    for control, each in result.get("augmented", {}).items():
        done = "learned from" if each["is_kept"] else "left out"
        lines.append(f"{each['rows']} edited copies for {control} {done}: {each['reason']}")
        if found := each.get("reworded"):
            lines.append(
                f"a language model reworded {found['usable']} of {found['asked']} rows; {found['unusable']} answers "
                f"were no rewordings, {found['leaks']} nearly repeat a held-out text"
            )
            lines += found["notes"]
    validation, test = result["metrics"]["validation"], result["metrics"]["test"]
    scored = (("folds of train", "cross_validation_", validation), ("validation", "", validation), ("test", "", test))
    scores = [
        (control, name, {figure: figures.get(prefix + figure) for figure in FIGURES})
        for name, prefix, metrics in scored
        for control, figures in _by_control(metrics).items()
        if f"{prefix}rows" in figures
    ]
    shown = [figure for figure in FIGURES if any(figures[figure] is not None for *_, figures in scores)]
    rows = [(control, name, *(_figure(figures[figure]) for figure in shown)) for control, name, figures in scores]
    if rows:
        has_several = any(control for control, *_ in rows)
        columns = ("control", "scored on", *(FIGURES[figure] for figure in shown))
        lines.append(table(columns, rows) if has_several else table(columns[1:], [row[1:] for row in rows]))
    gate = result.get("gate")
    lines.append(gate["reason"] if gate else "no test rows, so no gate was held")
    return lines


def _by_control(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Figures by control, whose name stands before the last point; "" where there is only one control."""
    by_control: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        control, _, figure = name.rpartition(".")
        by_control.setdefault(control, {})[figure] = value
    return by_control


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    if value > 1:
        return f"{value:.0f}" if value.is_integer() else f"{value:.2f}"
    return f"{value:.4f}"
