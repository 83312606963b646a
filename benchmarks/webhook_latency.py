"""What the backend costs an annotator who presses Submit.

    python -m benchmarks.webhook_latency [--submits 200] [--posts 200]

Two figures, each with its peer in the same run, on a Label Studio and a backend that the script starts on loopback:

1. Submits to two projects with the same tasks, one of them connected to the backend, taken in turns. Label Studio
   calls the webhook before it answers, so the difference is what the annotator waits for labelloop.
2. Posts of an annotation event to `/webhook`, before a training job and while one runs on the same machine.
"""

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_backend.bootstrap import build_services
from ml_backend.demo.backend import BackendProcess, demo_settings, make_project, running_backend
from ml_backend.demo.tickets import Ticket, load_tickets
from ml_backend.domain.job import Job
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.tasks import template_path
from ml_backend.workflows.services import Services

POSTS_PER_SECOND = 10
FREE_ID = 10_000_000
WORKING_STAGES = ("embedding", "comparing", "training")


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submits", type=int, default=200, help="submits per project")
    parser.add_argument("--posts", type=int, default=200, help="posts to the webhook, idle and in training")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelloop-latency-") as folder:
        print(json.dumps(measure(Path(folder), asked.submits, asked.posts), indent=2))


def measure(folder: Path, submits: int, posts: int) -> dict[str, Any]:
    """All figures, in milliseconds."""
    tickets = load_tickets()
    with LocalStudio.start(
        folder / "studio", free_port(), executable=LocalStudio.find_executable(), log_file=folder / "studio.log"
    ) as studio:
        settings = demo_settings(folder / "backend", port=free_port(), studio_url=studio.url, studio_token=studio.token)
        services = build_services(settings)
        with running_backend(settings, services.database, log_file=folder / "backend.log") as backend:
            backend.wait_until_ready()
            connection = make_project(services, tickets)
            plain = services.studio.create_project("Without a backend", template_path("classification").read_text())
            services.studio.import_tasks(plain.id, [{"data": {"text": ticket.text}} for ticket in tickets])
            _wait_for_jobs(services)
            client = StudioClient(studio.url, studio.token)
            figures: dict[str, Any] = {
                "submit": _submits(client, (plain.id, connection.project.id), tickets, submits),
            }
            event = _event(services, connection.project.id)
            idle = [_post(backend, event) for _ in range(posts)]
            job = backend.press_start_training(services, connection.project)
            busy = _posts_while_running(services, backend, event, job, posts)
            figures["webhook"] = {"idle": _summary(idle), "while_training": _summary(busy)}
            client.close()
    return figures


def _submits(client: StudioClient, projects: tuple[int, int], tickets: Sequence[Ticket], count: int) -> dict[str, Any]:
    """Submits to both projects in turns; who comes first changes from pair to pair."""
    tasks = [sorted(task.id for task in client.tasks_without_prediction(project, "none")) for project in projects]
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        label = tickets[number].label
        for side in (0, 1) if number % 2 else (1, 0):
            task_id = tasks[side][number]
            annotation = {"result": _result(label), "lead_time": 5.0, "was_cancelled": False}
            started = time.perf_counter()
            client.submit_annotation(task_id, annotation)
            times[side].append(1000 * (time.perf_counter() - started))
    without, connected = _summary(times[0]), _summary(times[1])
    return {
        "without_backend": without,
        "connected": connected,
        "median_difference_ms": round(connected["median_ms"] - without["median_ms"], 1),
        "p95_difference_ms": round(connected["p95_ms"] - without["p95_ms"], 1),
        "median_ratio": round(connected["median_ms"] / without["median_ms"], 2),
    }


def _posts_while_running(
    services: Services, backend: BackendProcess, event: Mapping[str, Any], job: Job, count: int
) -> list[float]:
    """Times of posts, spread over a training job's work; fewer than asked for where it ends before."""
    times: list[float] = []
    while len(times) < count:
        now = services.database.jobs.get(job.id)
        if now.state.is_over:
            break
        if now.stage in WORKING_STAGES:
            times.append(_post(backend, event))
        time.sleep(1 / POSTS_PER_SECOND)
    if not times:
        raise SystemExit(f"job {job.id} did not train: {services.database.jobs.get(job.id).error}")
    return times


def _post(backend: BackendProcess, event: Mapping[str, Any]) -> float:
    """Milliseconds that the webhook takes for an event, as Label Studio calls it: on a new connection."""
    password = backend.settings.backend.webhook_password.get_secret_value()
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Basic " + b64encode(f"webhook:{password}".encode()).decode(),
    }
    request = urllib.request.Request(f"{backend.url}/webhook", json.dumps(event).encode(), headers)
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
    return 1000 * (time.perf_counter() - started)


def _event(services: Services, project_id: int) -> Mapping[str, Any]:
    """An event as Label Studio sends it."""
    info = services.studio.project(project_id)
    annotation = {
        "id": FREE_ID,
        "task": FREE_ID,
        "project": project_id,
        "completed_by": 1,
        "result": _result(load_tickets()[0].label),
        "was_cancelled": False,
        "lead_time": 5.0,
    }
    return {
        "action": "ANNOTATION_CREATED",
        "project": {"id": project_id, "title": info.title, "label_config": info.label_config},
        "task": {"id": FREE_ID, "project": project_id, "data": {"text": load_tickets()[0].text}},
        "annotation": annotation,
    }


def _result(label: str) -> list[dict[str, Any]]:
    return [{"from_name": "category", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]


def _wait_for_jobs(services: Services) -> None:
    """Return once no job waits or runs: pushing pre-labels would slow the submits of both projects."""
    while any(not job.state.is_over for job in services.database.jobs.newest()):
        time.sleep(0.5)


def _summary(times_ms: Sequence[float]) -> dict[str, float]:
    return {
        "calls": len(times_ms),
        "median_ms": round(statistics.median(times_ms), 1),
        "p95_ms": round(statistics.quantiles(times_ms, n=20)[-1], 1),
    }


if __name__ == "__main__":
    main()
