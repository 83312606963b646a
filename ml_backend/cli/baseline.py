"""`labelloop baseline`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigurationError
from .app import app
from .files import StudioExport, check_source, config_text
from .foreground import ProgressDisplay
from .options import AsJson, ConfigFile, OptionalProject
from .output import emit, note, table
from .session import open_services

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["baseline_lines"]


@app.command()
def baseline(
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    prompt: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="A prompt as label sources have it, prompts/*.toml; left out: what the label config says alone.",
        ),
    ] = None,
    examples: Annotated[
        str, typer.Option(metavar="NUMBERS", help="How many labeled rows are shown with each text; each is measured.")
    ] = "0,5,20",
    most: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Test rows at most, drawn at random.", show_default="LABELLOOP_PROMPT_MOST"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a prompted language model on the blind test rows, beside what learned from labels.

    Needs --project, or --studio-export with --config, and LABELLOOP_TEXT_SERVER_URL, an OpenAI-compatible server that
    gets the texts. Cold start, regression and champion answer the same rows. It says what either costs, and from how
    many texts on fine-tuning is cheaper; `labelloop report` shows the last such measurement.
    """
    from ..workflows.baselines.measure import Baseline

    check_source(project, studio_export, config)
    services = open_services(project=project)
    url = services.options.text_server.url
    if url:
        note(f"{url} gets the texts of test rows, and of train rows as examples")
    with ProgressDisplay() as show:
        asked = Baseline(services, prompt=prompt, examples=_numbers(examples), most=most, report=show)
        if project is not None:
            result = asked.of_project(services.database.projects.get(project))
        else:
            result = asked.of_export(studio_export or Path(), config_text(config))
    for sentence in result["notes"]:
        note(f"note: {sentence}")
    emit(result, as_json=as_json, lines=() if as_json else baseline_lines(result))


def baseline_lines(result: Mapping[str, Any]) -> "Iterator[str | Table]":
    """Yield a measurement as lines and tables, a table per control."""
    currency = result["currency"]
    for control in result["controls"]:
        metric = control["metric"]
        yield f"{control['control']}: {control['rows']} test rows, {control['train_rows']} train rows"
        columns = ("model", "examples", "accuracy (95%)", f"{metric} (95%)", "no answer")
        yield table((*columns, f"{currency} per 1,000", "s per 1,000"), [_row(each) for each in control["contestants"]])
        yield from (each["sentence"] for each in control["contestants"] if "sentence" in each)


def _row(each: Mapping[str, Any]) -> tuple[object, ...]:
    price, seconds = (each["per_thousand"][name] for name in ("price", "seconds"))
    return (
        each["name"],
        each["examples"],
        _interval(each["accuracy"]),
        _interval(each["macro_f1"]),
        each["unanswered"],
        None if price is None else f"{price:.4g}",
        None if seconds is None else f"{seconds:,.1f}",
    )


def _interval(triple: list[float]) -> str:
    low, middle, high = triple
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _numbers(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--examples {text!r} found; wanted numbers such as 0,5,20") from None
