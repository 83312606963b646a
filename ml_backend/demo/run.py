"""`labelloop demo`: the acts of the loop, one after the other."""

import json
import random
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from ..bootstrap import build_services, configure_logging
from ..config import load_settings
from ..domain.progress import Progress
from ..domain.project import Project
from ..domain.snapshot import Split, split_of
from ..errors import ConfigurationError, Interrupted, StudioUnreachable
from ..labelstudio.local import LocalStudio, find_label_studio, free_port
from ..workflows.promoting.promote import serving_version
from ..workflows.services import Services
from .acts import desk_of, finish, make_project, press_start_training
from .backend import BackendProcess, demo_settings, running_backend
from .desk import Desk
from .display import Display
from .expert import Answer, Expert
from .figures import measure_labeling, measure_leftover, measure_training
from .folder import fresh_folder
from .interrupts import one_interrupt
from .report import Places, labeling_section, leftover_section, places_section, to_json, training_section
from .tickets import Ticket, load_tickets

__all__ = ["run_demo"]

SEED = 1
LEFT_TICKETS = 150
"""Tickets that the expert leaves, to see what both models make of them."""
WATCH_S = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs."""

    folder: Path
    studio: LocalStudio
    backend: BackendProcess
    services: Services
    display: Display


def run_demo(*, exit_at_end: bool, port: int | None, studio_port: int | None, as_json: bool) -> bool:
    """Play the loop, and stay up until Ctrl-C; True where the trained model serves and beats the cold start.

    Label Studio and the backend end with the call, however it ends.

    Args:
        exit_at_end: return after the last act.
        port, studio_port: None: free ones.
        as_json: the figures as JSON on standard output, in place of the story.

    Raises:
        ConfigurationError: no Label Studio is installed, a port is taken, or the folder is not the demo's.
        JobError: a job failed.
        StudioError: Label Studio did not start, or did not answer.
    """
    find_label_studio()
    port, studio_port = port or free_port(), studio_port or free_port()
    if port == studio_port:
        raise ConfigurationError(f"backend and Label Studio cannot both listen on port {port}; give two ports")
    display = Display(tells_story=not as_json)
    configure_logging("WARNING")
    with one_interrupt() as end_in_peace, ExitStack() as stack:
        folder = stack.enter_context(fresh_folder(load_settings().home / "demo"))
        stage = _set_up(stack, folder, port, studio_port, display)
        # Pushed last, so called first.
        stack.callback(end_in_peace)
        is_success = _play(stage, as_json=as_json)
        if not exit_at_end:
            display.note("\nEverything stays up until Ctrl-C.")
            with suppress(Interrupted):
                _watch(stage)
    return is_success


def _set_up(stack: ExitStack, folder: Path, port: int, studio_port: int, display: Display) -> Stage:
    token = secrets.token_hex(20)
    settings = demo_settings(
        folder / "backend", port=port, studio_url=f"http://localhost:{studio_port}", studio_token=token
    )
    services = build_services(settings)
    with display.step("Starting the backend"):
        log_file = folder / "backend.log"
        backend = stack.enter_context(running_backend(settings, services.database, log_file=log_file))
        backend.wait_until_ready()
    with display.step("Starting Label Studio (half a minute)"):
        studio = stack.enter_context(
            LocalStudio.start(folder / "label-studio", studio_port, log_file=folder / "label-studio.log", token=token)
        )
    return Stage(folder, studio, backend, services, display)


def _play(stage: Stage, *, as_json: bool) -> bool:
    display, services = stage.display, stage.services
    tickets = {ticket.text: ticket for ticket in load_tickets()}
    project, places = _open_project(stage, tickets)
    cold_start = serving_version(services, project)
    desk = desk_of(services, project, stage.studio.token)

    mistakes = _label(stage, desk, project, tickets)
    labeling = measure_labeling(services, project)
    display.section("The expert", labeling_section(labeling, mistakes))

    with display.step("Start Training") as report:
        job = finish(services, stage.backend, press_start_training(services, stage.backend, project), report)
    with display.step("Scoring the cold start on the test tickets"):
        training = measure_training(services, project, job)
    display.section("Training", training_section(training, labeling))

    leftover = measure_leftover(desk.open_tasks(), tickets, before=cold_start, after=training.after.model_version)
    display.section("Pre-labels before and after", leftover_section(leftover))
    display.section("Look around", places_section(places))
    if as_json:
        figures = to_json(
            tickets=len(tickets),
            labeling=labeling,
            mistakes=mistakes,
            training=training,
            leftover=leftover,
            places=places,
        )
        sys.stdout.write(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return training.is_success


def _open_project(stage: Stage, tickets: Mapping[str, Ticket]) -> tuple[Project, Places]:
    display, services, settings = stage.display, stage.services, stage.backend.settings
    with display.step("Making and connecting the project"):
        connection = make_project(services, list(tickets.values()))
    project = connection.project
    places = Places(
        project=connection.url,
        email=stage.studio.email,
        password=stage.studio.password,
        status_page=stage.backend.url,
        backend_user=settings.user,
        backend_password=settings.password.get_secret_value(),
        mlflow_url=settings.mlflow,
        folder=stage.folder,
    )
    display.section("Label Studio and the backend", places_section(places))
    if connection.job is not None:
        with display.step("Pushing the cold start's pre-labels") as report:
            finish(services, stage.backend, connection.job, report)
    counts = {split: sum(split_of(text, project.split) is split for text in tickets) for split in Split}
    told = (
        f"{len(tickets)} support tickets without labels. By a hash of their texts, {counts[Split.TEST]} are for the "
        f"test and {counts[Split.VALIDATION]} for validation: these stay blind, without pre-label. The other "
        f"{counts[Split.TRAIN]} have one of {serving_version(services, project)}, which has seen no label at all."
    )
    display.section("The project", [told])
    return project, places


def _label(stage: Stage, desk: Desk, project: Project, tickets: Mapping[str, Ticket]) -> int:
    """Let the expert work; returns how many labels are wrong.

    All held-out tickets get a label. Those that get none are drawn at random: left to themselves, the least certain
    would come first and the rest would flatter the cold start.
    """
    train = [text for text in tickets if not split_of(text, project.split).is_held_out]
    leave = set(random.Random(SEED).sample(train, LEFT_TICKETS))  # noqa: S311 (a draw, not a secret)
    wanted = len(tickets) - len(leave)
    done = mistakes = 0
    with stage.display.step(f"An expert labels {wanted} of {len(tickets)} tickets") as report:

        def count(ticket: Ticket, answer: Answer) -> None:
            nonlocal done, mistakes
            done += 1
            mistakes += answer.label not in (None, ticket.label)
            report(Progress(done / wanted, stage="", message=f"{done} of {wanted}"))

        desk.label(Expert(SEED), tickets, count, leave=leave)
    return mistakes


def _watch(stage: Stage) -> None:
    """Stay until a signal comes or something ends by itself."""
    while stage.studio.process.poll() is None:
        stage.backend.check()
        time.sleep(WATCH_S)
    raise StudioUnreachable(f"Label Studio has ended; its log: {stage.studio.log_file}")
