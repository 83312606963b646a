"""Parts of audits and searches that nodes of a Ray cluster do.

Skipped without Ray: `pip install 'labelloop[ray]'`, then `scripts/test --cluster`.
"""

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ml_backend.jobs.ray_sharing import share_on_ray
from ml_backend.options import Options
from ml_backend.storage.studies import StudyStore
from tests.backend_process import command_process
from tests.cluster.nodes import Nodes
from tests.integration.tickets import source_of, write_export
from tests.running import until
from tests.tiny_models import save_tiny_model

pytest.importorskip("ray", reason="Ray is not installed: pip install 'labelloop[ray]'")
# Ray's own libraries warn about each other.
pytestmark = pytest.mark.filterwarnings("ignore")

NOISE = 0.02


@pytest.fixture(scope="module")
def two_nodes(nodes: Nodes) -> Nodes:
    nodes.add()
    return nodes


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshot")
    source = source_of(write_export(folder / "tickets.json", rows=160))
    made = command_process(folder / "home", "export", *source, "--split", "0.6,0.2,0.2", "--out", str(folder / "made"))
    assert made.returncode == 0, made.stderr
    return folder / "made"


@pytest.fixture
def environment(two_nodes: Nodes, tmp_path: Path) -> Mapping[str, str]:
    tiny = save_tiny_model("bert", tmp_path / "tiny")
    return {
        "LABELLOOP_LAUNCHER": "ray",
        "LABELLOOP_RAY_ADDRESS": two_nodes.cluster.address,
        "LABELLOOP_BASE_MODEL": tiny,
    }


def printed(home: Path, *arguments: str, environment: Mapping[str, str]) -> Any:
    done = command_process(home, *arguments, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    print(done.stderr)  # noqa: T201 (what a failure of a test is about)
    return json.loads(done.stdout)


def made() -> str:
    return "made"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise LookupError("no such row")


def never() -> None:
    raise AssertionError("a helper has begun what was made here")


class Touch:
    """Makes a file, and then does something."""

    def __init__(self, path: Path, do: Callable[[], Any]) -> None:
        self.path, self.do = path, do

    def __call__(self) -> Any:
        self.path.touch()
        return self.do()


def test_helpers_do_what_there_is_room_for_and_what_they_fail_at_is_left(two_nodes: Nodes, tmp_path: Path) -> None:
    import ray

    marks = [tmp_path / f"{number}" for number in range(1, 5)]
    calls = {n: Touch(mark, do) for n, (mark, do) in enumerate(zip(marks, (made, made, die, fail), strict=True), 1)}
    calls[5] = never
    resources = Options(ray_resources="audit:cpu=0.4").ray.resources_of
    with share_on_ray(two_nodes.cluster.address, resources, "audit", calls) as shared:
        assert shared(5) is None
        until(lambda: all(mark.exists() for mark in marks), "work of helpers")
        found = {number: shared(number) for number in calls}

    assert found == {1: "made", 2: "made", 3: None, 4: None, 5: None}
    until(lambda: ray.available_resources().get("CPU") == 2, "room that is given back")


def test_work_that_cannot_be_sent_is_left(two_nodes: Nodes) -> None:
    resources = Options().ray.resources_of
    with share_on_ray(two_nodes.cluster.address, resources, "audit", {1: threading.Lock().acquire}) as shared:
        assert shared(1) is None


def test_a_deep_audit_finds_the_same_where_nodes_train_its_folds(
    environment: Mapping[str, str], snapshot: Path, tmp_path: Path
) -> None:
    audit = ["audit", "--snapshot", str(snapshot), "--deep"]
    alone = printed(tmp_path / "alone", *audit, environment=dict(environment) | {"LABELLOOP_LAUNCHER": "process"})

    shared = printed(tmp_path / "shared", *audit, environment=environment)

    assert shared["quality"] == pytest.approx(alone["quality"], abs=NOISE)


def test_nodes_take_trials_of_a_search(environment: Mapping[str, str], snapshot: Path, tmp_path: Path) -> None:
    search = ["--search", "lora_r=1..8", "--set", "epochs=8", "--set", "suspects=keep", "--trials", "12", "--no-train"]
    found = printed(tmp_path / "home", "tune", "--snapshot", str(snapshot), *search, environment=environment)

    assert len(found["trials"]) == 12
    storage = StudyStore(f"sqlite:///{tmp_path / 'home' / 'labelloop.db'}").open(
        dead_after_s=60, on_dead=lambda *_: None
    )
    trials = storage.get_all_trials(storage.get_study_id_from_name(found["study"]))
    times = sorted((trial.datetime_start, trial.datetime_complete) for trial in trials)
    assert any(later[0] < earlier[1] for earlier, later in pairwise(times)), times
