"""The report of a project that a simulated annotator labels in a real Label Studio, round by round.

What pre-labels change is planted: they save a fifth of the time, and a quarter of those that the annotator disagrees
with are accepted all the same. The test computes every figure of the report from raw events, or from what was planted.
"""

import csv
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ml_backend.demo.annotator import Annotator
from ml_backend.demo.expert import Expert
from ml_backend.demo.tickets import Ticket
from ml_backend.domain.job import Job
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.exporting.snapshots import newest_snapshot
from ml_backend.workflows.reporting.report import report_on_project
from tests.e2e.loops import Loop, connected_loop
from tests.running import until

pytestmark = pytest.mark.long

TASKS, ROUND = 1500, 250
SAVING, FOLLOWING = 0.2, 0.25
MISTAKES, BREAKS = 0.04, 0.02
MEDIAN_S, SPREAD, BREAK_S = 9.0, 0.4, 1200.0
JOB_S = 900.0


@dataclass
class Annotations:
    """The record of the annotator's work.

    Attributes:
        disagreed: for every pre-label shown, whether the annotator would have answered something else.
        worked_s: seconds without breaks, of every task.
    """

    disagreed: list[bool] = field(default_factory=list)
    worked_s: list[float] = field(default_factory=list)
    breaks: int = 0


class Follower(Expert):
    """An annotator who is quicker with a pre-label, and accepts some that are wrong."""

    def __init__(self, labels: list[str], seen: Annotations) -> None:
        super().__init__(seed=1)
        self._labels, self._seen, self._draw = labels, seen, random.Random(3)

    def answer(self, ticket: Ticket, prelabel: str | None) -> tuple[str | None, float]:
        label = self._draw.choice(self._labels) if self._draw.random() < MISTAKES else ticket.label
        seconds = MEDIAN_S * self._draw.lognormvariate(0, SPREAD)
        if prelabel is not None:
            self._seen.disagreed.append(label != prelabel)
            seconds *= 1 - SAVING
            if label != prelabel and self._draw.random() < FOLLOWING:
                label = prelabel
        self._seen.worked_s.append(round(seconds, 2))
        has_break = self._draw.random() < BREAKS
        self._seen.breaks += has_break
        return label, round(seconds, 2) + (BREAK_S if has_break else 0.0)


@dataclass(frozen=True)
class Labeled:
    """A project that was labeled in rounds, each followed by a training."""

    loop: Loop
    done: Annotations
    jobs: list[Job]
    report: dict[str, Any]


@pytest.fixture(scope="module")
def labeled(
    request: pytest.FixtureRequest, studio: LocalStudio, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Labeled]:
    folder = request.config.getoption("--banking77")
    if folder is None:
        pytest.skip("no --banking77 FOLDER given")
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["text"]: row["category"] for row in csv.DictReader(file)}
    texts = random.Random(2).sample(sorted(rows), TASKS)
    tickets = {text: Ticket(text, rows[text], False) for text in texts}
    labels = sorted(set(rows.values()))
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in labels)
    config = (
        '<View><Text name="text" value="$text"/>'
        f'<Choices name="category" toName="text" choice="single">{choices}</Choices></View>'
    )
    home = tmp_path_factory.mktemp("report")
    policy = {"retrain_after": ROUND, "retrain_debounce_s": 1, "retrain_interval_s": 0}
    tasks = [{"text": text} for text in texts]
    with connected_loop(studio, home, "Report", config, tasks, **policy) as loop:
        done = Annotations()
        follower = Follower(labels, done)
        jobs: list[Job] = []
        with closing(Annotator.of(loop.services, loop.project, studio.token)) as annotator:
            left = list(texts)
            random.Random(5).shuffle(left)
            while left:
                left = left[ROUND:]
                annotator.label(follower, tickets, lambda *_: None, leave=set(left))
                jobs.append(_finished_training(loop, len(jobs) + 1))
        yield Labeled(loop, done, jobs, report_on_project(loop.services, loop.project, target=0.9))


def _finished_training(loop: Loop, number: int) -> Job:
    def started() -> Job | None:
        jobs = loop.services.database.jobs.newest(project_id=loop.project.id, limit=1000)
        found = sorted((job for job in jobs if job.kind == "train"), key=lambda job: job.id)
        return found[number - 1] if len(found) >= number else None

    return loop.backend.finish(loop.services, until(started, f"training {number} by policy", timeout_s=120.0))


def test_every_figure_is_that_of_the_events(labeled: Labeled) -> None:
    loop, done, costs = labeled.loop, labeled.done, labeled.report["costs"]
    events = list(loop.services.database.events.history(loop.project.id).values())
    shown = [event for event in events if event.parent_prediction]

    assert costs["labels"] == len(events) == TASKS == len(done.worked_s)
    assert {each["way"]: each["labels"] for each in costs["by_way"]} == {
        "with pre-label": len(shown),
        "blind": TASKS - len(shown),
    }
    assert len(shown) == len(done.disagreed)
    assert done.breaks <= costs["breaks"] <= done.breaks + TASKS // 100
    assert costs["human_s"] == pytest.approx(sum(done.worked_s), rel=0.03)
    versions = sorted(loop.services.versions.all(loop.project.ref.key), key=lambda each: each.number)
    rounds = labeled.report["rounds"]
    assert [each["name"] for each in rounds] == [version.name for version in versions]
    assert [each["labels"] for each in rounds] == [ROUND * (number + 1) for number in range(len(versions))]
    assert sum(each["human_s"] for each in rounds) == pytest.approx(costs["human_s"], abs=1)
    for each, job in zip(rounds, labeled.jobs, strict=True):
        assert job.started_at
        assert job.finished_at
        assert each["machine_s"] >= round((job.finished_at - job.started_at).total_seconds(), 1) - 0.1
    saved_s = -labeled.report["prelabels"]["seconds"]["difference"]
    assert sum(each["saved_s"] for each in rounds) == pytest.approx(saved_s * len(shown), rel=0.01)


def test_each_round_is_scored_on_all_blind_test_rows(labeled: Labeled) -> None:
    services, project = labeled.loop.services, labeled.loop.project
    rows = list(SnapshotFolder(newest_snapshot(services, project).path).rows(Split.TEST))
    truth = [str(row.targets["category"]) for row in rows]

    for each in labeled.report["rounds"]:
        predictor = services.load_predictor(services.versions.get(each["name"]).path)
        answers = predictor.predict([row.text for row in rows])
        given = [str(answer["category"].target) for answer in answers if answer]
        score = f1_score(truth, given, labels=sorted(set(truth)), average="macro")
        assert each["macro_f1"] == pytest.approx(score, abs=1e-3)
        assert each["low"] <= each["macro_f1"] <= each["high"]


def test_what_was_planted_lies_in_the_intervals(labeled: Labeled) -> None:
    effects, done = labeled.report["prelabels"], labeled.done
    saved_s = SAVING * MEDIAN_S * float(np.exp(SPREAD**2 / 2))
    anchoring = FOLLOWING * sum(done.disagreed) / len(done.disagreed)

    seconds, agreement = effects["seconds"], effects["agreement"]
    assert seconds["low"] <= -saved_s <= seconds["high"] < 0
    assert agreement["low"] <= anchoring <= agreement["high"]


def test_the_forecast_says_what_the_target_costs(labeled: Labeled) -> None:
    forecast = labeled.report["forecast"]

    assert forecast["target"] == 0.9
    low, middle, high = forecast["labels"]
    assert low is None or 0 <= low <= (middle or float("inf")) <= (high or float("inf"))
