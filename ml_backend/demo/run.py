"""`labelloop demo`: the steps of the loop, one after the other."""

import json
import random
import secrets
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict
from pathlib import Path

from ..bootstrap import build_services, configure_logging
from ..config import load_settings
from ..domain.progress import Progress
from ..domain.project import Project
from ..domain.snapshot import Split
from ..errors import ConfigurationError, Interrupted, StudioUnreachable
from ..jobs.signals import one_interrupt
from ..labelstudio.local import LocalStudio, free_port
from ..measuring.cost import LabelingCost
from ..workflows.accounts import Accounts
from ..workflows.services import Services
from ..workflows.splits import splits_of
from .annotator import Annotator
from .backend import BackendProcess, demo_settings, make_project, running_backend
from .display import Display
from .expert import Expert
from .first_version import SOURCES, FirstVersion
from .folder import fresh_folder
from .report import Addresses, TrainingResult, changes, labeling_section, to_json, unlabeled_section
from .tickets import Ticket, load_tickets

__all__ = ["run_demo"]

SEED = 1
LEFT_TICKETS = 150
"""Tickets that the expert leaves, to see what both models make of them."""
WATCH_S = 1.0


def run_demo(*, exit_at_end: bool, port: int | None, studio_port: int | None, as_json: bool) -> bool:
    """Play the loop and stay up until Ctrl-C; returns whether the model that people taught serves.

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
    LocalStudio.find_executable()
    port, studio_port = port or free_port(), studio_port or free_port()
    if port == studio_port:
        raise ConfigurationError(f"backend and Label Studio cannot both listen on port {port}; give two ports")
    display = Display(tells_story=not as_json)
    configure_logging("WARNING")
    with one_interrupt() as end_in_peace, ExitStack() as stack:
        folder = stack.enter_context(fresh_folder(load_settings().home / "demo"))
        demo = _Demo.started(stack, folder, port, studio_port, display)
        # Pushed last, so called first.
        stack.callback(end_in_peace)
        is_success = demo.play(as_json=as_json)
        if not exit_at_end:
            display.note("\nEverything stays up until Ctrl-C.")
            with suppress(Interrupted):
                demo.watch()
    return is_success


class _Demo:
    """The servers that run, and the steps of the loop."""

    def __init__(
        self, folder: Path, studio: LocalStudio, backend: BackendProcess, services: Services, display: Display
    ) -> None:
        self._folder, self._studio, self._backend = folder, studio, backend
        self._services, self._display = services, display
        self._tickets = {ticket.text: ticket for ticket in load_tickets()}

    @classmethod
    def started(cls, stack: ExitStack, folder: Path, port: int, studio_port: int, display: Display) -> "_Demo":
        """Start the backend and Label Studio; both end with the stack."""
        token = secrets.token_hex(20)
        studio_url = f"http://localhost:{studio_port}"
        settings = demo_settings(
            folder / "backend", port=port, studio_url=studio_url, studio_token=token, sources=str(SOURCES)
        )
        services = stack.enter_context(closing(build_services(settings)))
        with display.step("Starting the backend"):
            log_file = folder / "backend.log"
            backend = stack.enter_context(running_backend(settings, services.database, log_file=log_file))
            backend.wait_until_ready()
        with display.step("Starting Label Studio (half a minute)"):
            log_file = folder / "label-studio.log"
            studio = stack.enter_context(
                LocalStudio.start(folder / "label-studio", studio_port, log_file=log_file, token=token)
            )
        return cls(folder, studio, backend, services, display)

    def play(self, *, as_json: bool) -> bool:
        """Go through the loop once; returns whether the version that people taught serves and beats what did before."""
        display, services, backend = self._display, self._services, self._backend
        project, addresses = self._open_project()
        with display.step("Start Training, before anybody has labeled a ticket") as progress:
            job = backend.finish(services, backend.press_start_training(services, project), progress)
            first = FirstVersion.of(services, project, job, self._tickets.values())
        display.section("Before the first label", first.section())
        served = services.versions.serving(project)
        annotator = Annotator.of(services, project, self._studio.token)

        mistakes = self._label(annotator, project)
        cost = LabelingCost.of(services.database.events.history(project.id).values())
        display.section("The expert", labeling_section(cost, mistakes))

        with display.step("Start Training") as progress:
            job = backend.finish(services, backend.press_start_training(services, project), progress)
        with display.step("Scoring both versions on the test tickets"):
            training = TrainingResult.of(services, project, job)
        display.section("Training", training.section(cost))

        after = annotator.open_tasks(training.after["model_version"])
        compared = changes(annotator.open_tasks(served), after, self._tickets)
        display.section("Pre-labels before and after", unlabeled_section(compared))
        display.section("Look around", addresses.section())
        if as_json:
            figures = to_json(
                tickets=len(self._tickets),
                first=asdict(first),
                cost=cost,
                mistakes=mistakes,
                training=training,
                compared=compared,
                addresses=addresses,
            )
            sys.stdout.write(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        return training.is_success

    def watch(self) -> None:
        """Stay until a signal comes or something ends by itself."""
        while self._studio.process.poll() is None:
            self._backend.check()
            time.sleep(WATCH_S)
        raise StudioUnreachable(f"Label Studio has ended; its log: {self._studio.log_file}")

    def _open_project(self) -> tuple[Project, Addresses]:
        display, services, settings = self._display, self._services, self._backend.settings
        with display.step("Making and connecting the project"):
            connection = make_project(services, list(self._tickets.values()))
        project = connection.project
        addresses = Addresses(
            project=connection.url,
            email=self._studio.email,
            password=self._studio.password,
            admin_page=self._backend.url,
            sign_in_link=Accounts(services).first_link() or self._backend.url,
            mlflow_url=settings.mlflow,
            folder=self._folder,
        )
        display.section("Label Studio and the backend", addresses.section())
        if connection.job is not None:
            with display.step("Pushing the cold start's pre-labels") as progress:
                self._backend.finish(services, connection.job, progress)
        counts = Counter(splits_of(services, project, list(self._tickets)))
        summary = (
            f"{len(self._tickets)} support tickets without labels. By their texts, {counts[Split.TEST]} are "
            f"for the test and {counts[Split.VALIDATION]} for validation: these stay blind, without pre-label. The "
            f"other {counts[Split.TRAIN]} have one of {services.versions.serving(project)}, which has seen no label at "
            "all."
        )
        display.section("The project", [summary])
        return project, addresses

    def _label(self, annotator: Annotator, project: Project) -> int:
        """Let the expert work; returns how many labels are wrong.

        All held-out tickets get a label. Those that get none are drawn at random: left to themselves, the least certain
        would come first and the rest would flatter the cold start.
        """
        splits = zip(self._tickets, splits_of(self._services, project, list(self._tickets)), strict=True)
        train = [text for text, split in splits if not split.is_held_out]
        leave = set(random.Random(SEED).sample(train, LEFT_TICKETS))  # noqa: S311 (a draw, not a secret)
        wanted = len(self._tickets) - len(leave)
        done = mistakes = 0
        with self._display.step(f"An expert labels {wanted} of {len(self._tickets)} tickets") as progress:

            def count(ticket: Ticket, label: str | None) -> None:
                nonlocal done, mistakes
                done += 1
                mistakes += label not in (None, ticket.label)
                progress(Progress(done / wanted, f"{done} of {wanted}"))

            annotator.label(Expert(SEED), self._tickets, count, leave=leave)
        return mistakes
