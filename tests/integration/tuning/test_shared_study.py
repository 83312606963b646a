"""Workers share the trials of a search, and what a dead one leaves is run anew; on SQLite and on PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from optuna import Trial
from sqlalchemy import create_engine, text

from ml_backend.errors import Interrupted, TrainingError
from ml_backend.learning.search_space import SearchedSetting
from ml_backend.storage.database import open_database
from ml_backend.storage.studies import StudyStore
from ml_backend.workflows.tuning.study import SharedStudy, TimeIsOver, TrialFacts
from tests.fakes import FakeClock, FakeTracker
from tests.postgres import new_database

RANK = SearchedSetting.parse("lora_r=1..1000")
TRIALS = 12
IN_A_TRIAL = "in a trial with rank"
DYING_WORKER = """
import sys, time
from pathlib import Path
from tests.integration.tuning.test_shared_study import IN_A_TRIAL, RANK, open_study
def stay(trial):
    print(IN_A_TRIAL, RANK.suggest(trial), flush=True)
    time.sleep(600)
with open_study(sys.argv[1], Path(sys.argv[2])) as study:
    study.take(12, stay)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return new_database(request.getfixturevalue("postgres_url"), "tuning")
    return f"sqlite:///{tmp_path / 'labelloop.db'}"


@contextmanager
def open_study(url: str, folder: Path) -> Iterator[SharedStudy]:
    with closing(open_database(url, FakeClock())) as database:
        study = SharedStudy(
            StudyStore(url),
            database.locks,
            FakeTracker(folder),
            "tickets-1-0123",
            dead_after_s=60,
            defaults={RANK.name: 8},
            seed=1,
        )
        with closing(study):
            yield study


def rank(trial: Trial) -> float:
    """The best rank is 500."""
    return -abs(int(RANK.suggest(trial)) - 500)


def test_workers_share_the_trials_and_the_defaults_come_first(url: str, tmp_path: Path) -> None:
    taken: dict[int, list[int]] = {1: [], 2: []}
    both_work = threading.Barrier(2, timeout=60)

    def work(worker: int) -> None:
        def evaluate(trial: Trial) -> float:
            if not taken[worker]:
                both_work.wait()
            taken[worker].append(trial.number)
            return rank(trial)

        with open_study(url, tmp_path) as study:
            while study.take(TRIALS, evaluate):
                pass

    workers = [threading.Thread(target=work, args=(worker,)) for worker in taken]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert sorted(taken[1] + taken[2]) == list(range(TRIALS))
    assert all(taken.values())
    with open_study(url, tmp_path) as study:
        assert [trial.params[RANK.name] for trial in study.trials() if trial.user_attrs.get(TrialFacts.DEFAULT)] == [8]
        default, best = study.default(), study.best()
        assert default is not None
        assert best is not None
        assert (default.number, default.value) == (0, -492)
        assert best.value >= default.value
        assert study.importance([RANK]) == {RANK.name: 1.0}


def test_a_killed_worker_loses_its_trial_alone_and_another_runs_that_anew(url: str, tmp_path: Path) -> None:
    with open_study(url, tmp_path) as study:
        for _ in range(2):
            assert study.take(TRIALS, rank)
    command = [sys.executable, "-W", "ignore", "-c", DYING_WORKER, url, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."}) as worker:
        assert worker.stdout is not None
        line = worker.stdout.readline()
        worker.send_signal(signal.SIGKILL)
    assert line.startswith(IN_A_TRIAL)
    with open_study(url, tmp_path) as study:
        assert study.runs_elsewhere(), "nobody knows yet that it died"

        _age_heartbeats(url)
        tried: list[str] = []
        while study.take(4, lambda trial: tried.append(RANK.suggest(trial)) or rank(trial)):
            pass

        assert tried[0] == line.split()[-1], "what the dead worker was trying comes next"
        assert [trial.state.name for trial in study.trials()] == ["COMPLETE"] * 4
        assert not study.runs_elsewhere()


@pytest.mark.parametrize("stop", [Interrupted(signal.SIGINT), TimeIsOver("over")])
def test_what_a_stopped_worker_was_trying_comes_next(tmp_path: Path, stop: BaseException) -> None:
    url = f"sqlite:///{tmp_path / 'labelloop.db'}"
    tried: list[str] = []

    def give_up(trial: Trial) -> float:
        tried.append(RANK.suggest(trial))
        raise stop

    with open_study(url, tmp_path) as study:
        study.take(TRIALS, rank)
        for _ in range(4):
            with pytest.raises(type(stop)):
                study.take(TRIALS, give_up)
        study.take(TRIALS, lambda trial: tried.append(RANK.suggest(trial)) or rank(trial))

        assert len(set(tried)) == 1
        assert len(study.trials()) == 2


def test_a_trial_that_cannot_be_trained_counts_and_the_search_goes_on(tmp_path: Path) -> None:
    def fail(trial: Trial) -> float:
        trial.set_user_attr(TrialFacts.ERROR, "the loss is nan")
        raise TrainingError("the loss is nan")

    with open_study(f"sqlite:///{tmp_path / 'labelloop.db'}", tmp_path) as study:
        assert study.take(2, rank)
        assert study.take(2, fail)
        assert not study.take(2, rank)
        assert [trial.state.name for trial in study.trials()] == ["COMPLETE", "FAIL"]


def test_another_database_gets_all_trials_and_then_counts_on(url: str, postgres_url: str, tmp_path: Path) -> None:
    into_file = f"sqlite:///{tmp_path / 'there' / 'labelloop.db'}"
    other = new_database(postgres_url, "moved") if url.startswith("sqlite") else into_file
    with open_study(url, tmp_path) as study:
        for _ in range(3):
            study.take(TRIALS, rank)
        before = [(trial.number, trial.params, trial.value, trial.user_attrs) for trial in study.trials()]

    with StudyStore(url).copy_to(StudyStore(other)) as counts:
        assert (counts["studies"], counts["trials"]) == (1, 3)

    with open_study(other, tmp_path) as study:
        assert [(trial.number, trial.params, trial.value, trial.user_attrs) for trial in study.trials()] == before
        assert study.take(TRIALS, rank)
        assert [trial.number for trial in study.trials()] == [0, 1, 2, 3]


def _age_heartbeats(url: str) -> None:
    """Let an hour pass."""
    hour = "datetime('now', '-1 hour')" if url.startswith("sqlite") else "now() - interval '1 hour'"
    engine = create_engine(StudyStore(url).url)
    with engine.begin() as connection:
        assert connection.execute(text(f"UPDATE trial_heartbeats SET heartbeat = {hour}")).rowcount
    engine.dispose()
