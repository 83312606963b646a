"""How long the admin's pages take, and how much they weigh, in a home folder that has been used for long.

    python -m benchmarks.pages [--rounds 50] [--home FOLDER] [--database-url URL] [--busy]

Fills a home folder and a database (SQLite, or the empty one of the URL), then asks for each page in turn as a browser
with a session does, over the application itself, without a network. Every tab of a project is asked for, those that
come later too. `--busy` trains adapters in another process meanwhile. `--home` keeps the folder, such as to look at the
pages: `LABELLOOP_HOME=FOLDER labelloop serve --no-worker`.
"""

import argparse
import gzip
import multiprocessing
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from benchmarks.support.busy_home import Amounts, BusyHome
from benchmarks.support.busy_models import add_measurements
from benchmarks.support.figures import percentile
from ml_backend.bootstrap import build_services
from ml_backend.options import Options
from ml_backend.web.app import create_app
from ml_backend.web.pages.base import Page
from ml_backend.workflows.accounts import Accounts
from ml_backend.workflows.services import Services

HTML = {"Accept": "text/html", "Accept-Encoding": "gzip"}
PAGES = (
    "/",
    "/projects/2",
    "/projects/1/models",
    "/projects/1/models?on=test&order=score",
    "/projects/1/models/200",
    "/projects/1/models/200/rows?right=false",
    "/projects/1/models/side-by-side?left=197&right=200",
    "/projects/2/models/3",
    "/projects/3/models/side-by-side?left=2&right=3",
    "/projects/3/models/votes?left=2&right=3",
    "/projects/1/loop",
    "/projects/1/loop?limit=5",
    "/projects/1/labels",
    "/projects/1/sources",
    "/projects/1/sources?page=40",
    "/jobs",
    "/jobs?kind=train&state=failed",
    "/jobs?order=finished_at&page=8",
    "/jobs/499",
    "/audit-log",
    "/projects/1/settings",
    "/projects/1/settings/change?setting=review_rule&value=agreement:2",
    "/users",
    "/api/projects/1",
    "/api/jobs",
    "/api/openapi.json",
)


def main() -> None:
    """Print milliseconds per page: median, 95th percentile, and the first time; and kilobytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument(
        "--home", type=Path, help="folder to fill, which must not be there yet; a temporary one otherwise"
    )
    parser.add_argument("--database-url", default="", help="an empty database, such as of PostgreSQL")
    parser.add_argument("--busy", action="store_true", help="train adapters in another process meanwhile")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelloop-bench-") as folder:
        home = asked.home or Path(folder) / "home"
        amounts = Amounts()
        admin = BusyHome(home, amounts, database_url=asked.database_url).fill()
        with closing(build_services(Options(home=home, database_url=asked.database_url))) as services:
            add_measurements(services, [services.database.projects.get(number) for number in (1, 2, 3)])
            client = create_app(services).test_client()
            path = Accounts(services).link(admin).partition("/link/")[2]
            token = client.get(f"/link/{path}").text.partition('name="csrf_token"')[2].split('"')[3]
            client.post(f"/link/{path}", data={"csrf_token": token})
            with _training() if asked.busy else nullcontext():
                print(amounts)
                print(
                    "| page | first, ms | median, ms | p95, ms | KB | KB sent |\n| --- | --- | --- | --- | --- | --- |"
                )
                for page in (*PAGES, *_of_projects(services)):
                    times = []
                    for _ in range(asked.rounds + 1):
                        started = time.perf_counter()
                        answer = client.get(page, headers=HTML)
                        times.append(1000 * (time.perf_counter() - started))
                        assert answer.status_code == 200, (page, answer.status)
                    first, *others = times
                    median, p95 = percentile(others, 0.5), percentile(others, 0.95)
                    is_small = answer.headers.get("Content-Encoding") != "gzip"
                    whole = answer.data if is_small else gzip.decompress(answer.data)
                    weights = f"{len(whole) / 1000:.0f} | {len(answer.data) / 1000:.0f}"
                    print(f"| `{page}` | {first:.0f} | {median:.0f} | {p95:.0f} | {weights} |", flush=True)


def _of_projects(services: Services) -> Iterator[str]:
    """Yield every tab of the first project, its newest snapshot, and what changed in that."""
    for kind in sorted(Page.all().values(), key=lambda kind: kind.place):
        if kind.tab:
            yield re.sub(r"<int[^>]*:project_id>", "1", kind.path)
    new, old = services.database.snapshots.page(1, limit=2)
    yield f"/projects/1/data/snapshot?id={new.id}"
    yield f"/projects/1/data/difference?old={old.id}&new={new.id}"


@contextmanager
def _training() -> Iterator[None]:
    """Train in another process for the time of the block, which begins once the first step is done."""
    context = multiprocessing.get_context("spawn")
    has_begun = context.Event()
    process = context.Process(target=_train, args=(has_begun,), daemon=True)
    process.start()
    has_begun.wait()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _train(has_begun: "multiprocessing.synchronize.Event") -> None:
    from benchmarks.support.banking77 import CONTROL
    from benchmarks.support.steps import lora_steps
    from ml_backend.demo.tickets import load_tickets
    from ml_backend.domain.example import Provenance, Row

    rows = [
        Row(f"task-{n}", n, {"text": ticket.text}, {CONTROL: ticket.label}, (), Provenance(()))
        for n, ticket in enumerate(load_tickets())
    ]
    while True:
        for _ in lora_steps(rows, adversarial_size=0.0)():
            has_begun.set()


if __name__ == "__main__":
    main()
