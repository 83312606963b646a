"""The forecast on a project's overview, and the charts that show it."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from ml_backend.domain.job import JobState
from ml_backend.web.charts import Chart, Point
from ml_backend.workflows.services import Services
from tests.services import add_project
from tests.visitors import HTML, press

CURVE: dict[str, Any] = {
    "control": "category",
    "metric": "macro-F1",
    "labels_now": 300,
    "points": [
        {"labels": 100, "low": 0.5, "score": 0.6, "high": 0.7},
        {"labels": 300, "low": 0.6, "score": 0.7, "high": 0.8},
    ],
    "lead": [0.0, 0.01, 0.02],
    "band": [
        {"labels": 100, "low": 0.55, "score": 0.61, "high": 0.66},
        {"labels": 900, "low": 0.7, "score": 0.8, "high": 0.86},
    ],
    "forecast": {"target": 0.85, "labels": [250, 400, None], "hours": [3.0, 6.0, None], "never": 0.2},
    "forecast_words": "macro-F1 .85 costs 250 more labels or more, most likely 400: 6.0 expert hours.",
    "next_words": "The next 100 labels buy 2.0 points.",
    "notes": ["only <b>few</b> rows were chosen at random"],
}


def shown(client: FlaskClient) -> str:
    return client.get("/projects/1", headers=HTML).get_data(as_text=True)


def test_a_forecast_is_asked_for_with_a_score_and_then_shown(services: Services, admin: FlaskClient) -> None:
    add_project(services)
    assert "has not been worked out yet" in shown(admin)

    asked = press(admin, "/api/projects/1/report", "/projects/1", target="0.85")

    job = services.database.jobs.claim(1)
    assert (asked.headers["Location"], job and job.params["target"]) == ("/jobs/1", 0.85)
    assert "Job 1</a> works out the forecast now" in shown(admin)
    result = {"made_at": "2026-04-01T10:00+00:00", "rows": 300, "curves": [CURVE], "without_curve": []}
    services.database.jobs.finish(job, JobState.SUCCEEDED, result=result)
    page = shown(admin)
    assert "most likely 400: 6.0 expert hours" in page
    assert "Only &lt;b&gt;few&lt;/b&gt; rows" in page
    chart = re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL)[0]
    assert 'aria-label="macro-F1 of category by the number of labels, measured and forecast"' in chart
    assert all(f'class="{kind}"' in chart for kind in ("band", "curve", "goal", "today", "interval"))
    assert "macro-F1 0.710 (0.610 to 0.810) with 300 labels" in chart


@pytest.mark.parametrize("target", ["0", "1.5", "much"])
def test_a_score_that_cannot_be_reached_is_refused(services: Services, admin: FlaskClient, target: str) -> None:
    add_project(services)

    assert press(admin, "/api/projects/1/report", "/projects/1", target=target).status_code == 400


def test_all_that_a_chart_shows_lies_within_it() -> None:
    points = [Point(x, 0.5, "now", interval=(0.2, 0.7)) for x in (10, 20)]
    band = [Point(10, 0.5, interval=(0.1, 0.6)), Point(90, 0.8, interval=(0.6, 0.99))]
    chart = Chart("t", "x", "y", points, band=band, goal=Point(0, 0.95, "goal"), today=Point(25, 0, "today")).svg()

    places = [
        tuple(map(float, pair.split())) for path in re.findall(r' d="M([^"H]+)"', chart) for pair in path.split("L")
    ]
    assert len(places) == len(points) + 2 * len(points) + 3 * len(band) + 2 + 2  # line, intervals, band, goal, today
    assert all(0 <= x <= 880 and 0 <= y <= 260 for x, y in places)


def test_a_line_ends_before_a_gap_and_begins_again_after_it() -> None:
    chart = Chart("t", "x", "y", [Point(x, 0.5) for x in (1, 2, 3, 20, 21)], gap=10).svg()

    assert [path.count("L") for path in re.findall(r'class="line" d="([^"]+)"', chart)] == [2, 1]
