"""How long the admin's pages take, in a home folder that has been used for long.

    python -m benchmarks.pages [--rounds 50] [--home FOLDER]

Fills a home folder on SQLite, then asks for each page in turn as a browser with a session does, over the application
itself, without a network. `--home` keeps the folder, such as to look at the pages:
`LABELLOOP_HOME=FOLDER labelloop serve --no-worker`.
"""

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.support.busy_home import Amounts, BusyHome
from benchmarks.support.busy_models import add_measurements
from benchmarks.support.figures import percentile
from ml_backend.bootstrap import build_services
from ml_backend.options import Options
from ml_backend.web.app import create_app
from ml_backend.workflows.accounts import Accounts

HTML = {"Accept": "text/html"}
PAGES = (
    "/",
    "/projects/1",
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
    """Print milliseconds per page: median, 95th percentile, and the first time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument(
        "--home", type=Path, help="folder to fill, which must not be there yet; a temporary one otherwise"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelloop-bench-") as folder:
        home = asked.home or Path(folder) / "home"
        amounts = Amounts()
        admin = BusyHome(home, amounts).fill()
        with closing(build_services(Options(home=home))) as services:
            add_measurements(services, [services.database.projects.get(number) for number in (1, 2, 3)])
            client = create_app(services).test_client()
            path = Accounts(services).link(admin).partition("/link/")[2]
            token = client.get(f"/link/{path}", headers=HTML).text.partition('name="csrf_token"')[2].split('"')[3]
            client.post(f"/link/{path}", data={"csrf_token": token})
            print(amounts)
            print("| page | first, ms | median, ms | p95, ms | KB |\n| --- | --- | --- | --- | --- |")
            for page in PAGES:
                times = []
                for _ in range(asked.rounds + 1):
                    started = time.perf_counter()
                    answer = client.get(page, headers=HTML)
                    times.append(1000 * (time.perf_counter() - started))
                    assert answer.status_code == 200, (page, answer.status)
                first, *others = times
                median, p95 = percentile(others, 0.5), percentile(others, 0.95)
                print(f"| `{page}` | {first:.0f} | {median:.0f} | {p95:.0f} | {len(answer.data) / 1000:.0f} |")


if __name__ == "__main__":
    main()
