"""The course of a job's loss, in a file."""

from pathlib import Path

from ml_backend.domain.progress import Progress
from ml_backend.jobs.loss_file import MOST_BYTES, LossFile
from ml_backend.workflows.jobs.context import JobContext
from tests.services import build_test_services


def test_points_come_back_in_order_and_evenly_thinned(tmp_path: Path) -> None:
    losses = LossFile(tmp_path / "jobs" / "7")
    for step in range(100):
        losses.add(step / 100, 2.0 - step / 100)

    assert losses.points(100)[:2] == [(0.0, 2.0), (0.01, 1.99)]
    assert losses.points(10) == [(step / 100, 2.0 - step / 100) for step in range(0, 100, 10)]


def test_a_resumed_job_draws_its_way_anew(tmp_path: Path) -> None:
    losses = LossFile(tmp_path / "7")
    for fraction, loss in ((0.1, 3.0), (0.2, 2.0), (0.3, 1.5), (0.2, 1.9), (0.4, 1.0)):
        losses.add(fraction, loss)

    assert losses.points(100) == [(0.1, 3.0), (0.2, 2.0), (0.2, 1.9), (0.4, 1.0)]


def test_a_job_keeps_its_losses_and_goes_on_where_they_cannot_be_kept(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    job, _ = services.database.jobs.request("train", 0, {}, dedupe_key="x", claim=True)
    for folder in (tmp_path / "7", tmp_path / "in the way" / "8"):
        (tmp_path / "in the way").write_text("") if folder.name == "8" else None
        with JobContext(services.database, job, folder, heartbeat_s=60) as context:
            context.report(Progress(0.5, "training", "step 1", {"loss": 1.25}))

    assert LossFile(tmp_path / "7").points(10) == [(0.5, 1.25)]
    assert services.database.jobs.get(job.id).progress == 0.5


def test_half_a_line_is_no_point_and_no_file_is_none(tmp_path: Path) -> None:
    losses = LossFile(tmp_path / "7")
    assert losses.points(10) == []
    losses.add(0.1, 3.0)
    with (tmp_path / "7.loss.jsonl").open("a") as stream:
        stream.write("[0.2, \nnull\n[1]\n")

    assert losses.points(10) == [(0.1, 3.0)]


def test_a_very_long_file_grows_no_more(tmp_path: Path) -> None:
    path = tmp_path / "7.loss.jsonl"
    path.write_text("x" * MOST_BYTES)

    LossFile(tmp_path / "7").add(0.5, 1.0)

    assert path.stat().st_size == MOST_BYTES
