"""How many pre-labels Label Studio takes in a second, by how many parts it gets at the same time.

    python -m benchmarks.pushes [--tasks 8000] [--part 1000] [--pushes 1,2,4] [--postgres URL] [--processes 2]

A fresh Label Studio keeps its data in SQLite, or with `--postgres` in that empty database; with `--processes` gunicorn
serves it, as several processes. What makes the predictions takes no time. After each push all predictions are counted.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import make_url

from ml_backend.bootstrap import build_services
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.project import Project
from ml_backend.errors import StudioError
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.options import Options
from ml_backend.tasks import template_path
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.labeling.prelabel import BatchSizes, push_missing
from ml_backend.workflows.services import Services

TOKEN = "0123456789abcdef0123456789abcdef01234567"
LABEL = "Billing"
IMPORTED_AT_ONCE = 5000
# Stands in for the `label-studio` command. One process of it makes the tables; gunicorn's come after that.
PROGRAM = """#!/bin/sh
{exports}
if [ -e "$0.made" ] && [ {processes} -gt 1 ]; then
  cd {code} && exec {python} -m gunicorn --workers {processes} --threads 4 --bind 127.0.0.1:"$9" \
    --env DJANGO_SETTINGS_MODULE=core.settings.label_studio --timeout 600 core.wsgi:application
fi
touch "$0.made"; exec {studio} "$@"
"""


class QuickPredictor:
    """Answers everything with one label, at once."""

    def __init__(self, version: str) -> None:
        self.version = version

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """Return the same answer for each text."""
        return [{"category": ScoredTarget(LABEL, 0.9, {LABEL: 0.9})} for _ in texts]

    predict_with_fit = predict

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float:  # noqa: ARG002
        """Return the score that every text has."""
        return 0.9


def main() -> None:
    """Print texts per second by pushes at the same time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=8000)
    parser.add_argument("--part", type=int, default=1000, help="predictions of one push")
    parser.add_argument("--pushes", default="1,2,4", help="at the same time")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--postgres", help="SQLAlchemy URL of an empty database")
    parser.add_argument("--processes", type=int, default=1, help="of Label Studio")
    asked = parser.parse_args()
    counts = [int(each) for each in asked.pushes.split(",")]
    with tempfile.TemporaryDirectory(prefix="labelloop-pushes-") as name, ExitStack() as stack:
        folder = Path(name)
        program = _program(folder, asked.postgres, asked.processes)
        for _ in range(2 if asked.processes > 1 else 1):
            stack.close()
            place, port = folder / "data", free_port()
            studio = stack.enter_context(
                LocalStudio.start(
                    place, port, executable=str(program), token=TOKEN, log_file=folder / "log", timeout_s=600
                )
            )
        options = Options(home=folder / "home", studio_url=studio.url, studio_token=TOKEN)
        services = build_services(options)
        stack.callback(services.close)
        config = template_path("classification").read_text()
        info = services.studio.create_project("Pushes", config)
        for start in range(0, asked.tasks, IMPORTED_AT_ONCE):
            numbers = range(start, min(start + IMPORTED_AT_ONCE, asked.tasks))
            services.studio.import_tasks(info.id, [{"data": {"text": f"message number {n}"}} for n in numbers])
        project = remember_project(services, info.id, config, title=info.title)
        for turn in range(asked.rounds):
            # What was pushed stays, since Label Studio takes minutes to remove it; so each second round goes backwards.
            for count in counts[:: -1 if turn % 2 else 1]:
                try:
                    found = (
                        f"{_rate(services, options, project, f'quick-{turn}-{count}', (count, asked.part)):.0f} texts/s"
                    )
                except StudioError as error:
                    found = f"refused: {error}"
                load = os.getloadavg()[0]
                print(f"round {turn + 1}, {count} at once: {found} (load {load:.1f})", flush=True)


def _rate(services: Services, options: Options, project: Project, version: str, sizes: tuple[int, int]) -> float:
    """Return predictions per second, all of which are there afterwards, and stay."""
    count, part = sizes
    with_pushes = replace(services, options=options.with_values({"studio_pushes": count}))
    began = time.perf_counter()
    pushed = push_missing(with_pushes, project, QuickPredictor(version), batch_sizes=BatchSizes(part, part))
    seconds = time.perf_counter() - began
    stored = services.studio.prediction_counts(project.id)[version]
    if pushed != stored:
        raise SystemExit(f"{pushed} pushed, {stored} there")
    return pushed / seconds


def _program(folder: Path, postgres: str | None, processes: int) -> Path:
    studio = LocalStudio.find_executable()
    exports = "export DJANGO_DB=sqlite"
    if postgres:
        url = make_url(postgres)
        facts = {"USER": url.username, "PASSWORD": url.password or "none", "HOST": url.host, "PORT": url.port}
        facts["NAME"] = url.database
        exports = "\n".join(["export DJANGO_DB=default", *(f"export POSTGRE_{k}={v}" for k, v in facts.items())])
    code = Path(str(find_spec("label_studio").submodule_search_locations[0]))
    program = folder / "label-studio"
    values = {"exports": exports, "processes": processes, "code": code, "python": sys.executable, "studio": studio}
    program.write_text(PROGRAM.format(**values))
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    main()
