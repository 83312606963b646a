"""What one machine has made serves and trains on another that shares the database and a place for files."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.errors import BundleError, SnapshotError
from ml_backend.serving.model_versions import ModelVersions
from ml_backend.storage.shared_folders import SharedFolders
from ml_backend.workflows.exporting.snapshots import export_project, newest_snapshot
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.travelling_folder import TravellingFolder
from tests.fakes import FakeRegistry, register_version
from tests.services import CONFIG, add_project, build_test_services, choice

GB = 10**9


def test_a_version_s_files_come_from_the_shared_place_where_they_are_not_on_this_machine(tmp_path: Path) -> None:
    services, place = build_test_services(tmp_path), str(tmp_path / "drive")
    registry = FakeRegistry(tmp_path / "first" / "runs")
    first = ModelVersions(services.database.versions, registry, tmp_path / "first", SharedFolders(place))
    bundle = tmp_path / "first" / "runs" / "run-1" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "bundle.json").write_text("facts")
    name = register_version(first, "tickets-1").name
    shutil.rmtree(tmp_path / "first")
    second = ModelVersions(
        services.database.versions, registry, tmp_path / "second", SharedFolders(place, tmp_path / "second" / "s", GB)
    )

    found = second.get(name)

    assert found.path.is_relative_to(tmp_path / "second")
    assert (found.path / "bundle.json").read_text() == "facts"
    (next((tmp_path / "drive" / "bundles").glob("*/*"))).write_text("other")
    shutil.rmtree(tmp_path / "second")
    with pytest.raises(BundleError, match=r"bundle\.json of bundles/tickets-1-v1-.* was kept: restore it"):
        second.get(name)


def test_a_snapshot_comes_from_the_shared_place_where_it_is_not_on_this_machine(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    place = str(tmp_path / "drive")
    services = replace(services, shared=SharedFolders(place, tmp_path / "home" / "shared", GB))
    project = add_project(services, ["where is it", "send it back"], label_config=CONFIG)
    for task_id in list(services.studio.tasks):
        services.studio.submit_annotation(task_id, {"result": choice("Billing")})
    written = export_project(services, project)
    shutil.rmtree(services.options.snapshots_folder)

    found = newest_snapshot(services, project)

    assert found.manifest == written.manifest
    assert found.path.is_relative_to(tmp_path / "home" / "shared")
    shutil.rmtree(tmp_path / "home" / "shared")
    shutil.rmtree(tmp_path / "drive")
    with pytest.raises(SnapshotError):
        newest_snapshot(services, project)


def test_the_folder_of_a_job_follows_it_to_another_machine_and_back(tmp_path: Path) -> None:
    place = str(tmp_path / "drive")

    def at(machine: str) -> tuple[Path, TravellingFolder]:
        folder = tmp_path / machine / "jobs" / "7"
        return folder, TravellingFolder(folder, "jobs/7", SharedFolders(place, tmp_path / machine / "shared", GB))

    (here, first), (there, second) = at("a"), at("b")
    assert first.depart() is None
    here.mkdir(parents=True)
    (here / "step").write_text("10")
    kept = first.depart()
    second.arrive(kept)
    assert (there / "step").read_text() == "10"
    (there / "step").write_text("20")
    kept = second.depart()
    (there / "step").write_text("25")  # after its last checkpoint: such work is done again elsewhere, not here
    second.arrive(kept)
    assert (there / "step").read_text() == "25"
    first.arrive(kept)
    assert (here / "step").read_text() == "20"
    SharedFolders(place).drop("jobs/7")
    assert list((tmp_path / "drive").rglob("*.json")) == []


def test_a_job_keeps_its_folder_with_every_checkpoint_and_finds_it_elsewhere(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    shared = SharedFolders(str(tmp_path / "drive"), tmp_path / "shared", GB)
    job, _ = services.database.jobs.request("train", 7, {}, dedupe_key="train-7", claim=True)
    with JobContext(services.database, job, tmp_path / "a" / "7", shared=shared) as context:
        context.folder.mkdir(parents=True)
        (context.folder / "weights").write_text("of step 10")
        context.keep(saved="step-5")
        context.keep(saved="step-10")
    assert len(list((tmp_path / "drive" / "jobs").rglob("*.json"))) == 1

    job = services.database.jobs.get(job.id)
    with JobContext(services.database, job, tmp_path / "b" / "7", shared=shared) as context:
        assert (context.folder / "weights").read_text() == "of step 10"
        assert context.checkpoint["saved"] == "step-10"
