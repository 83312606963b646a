"""Rows that label sources propose for unlabeled train tasks, and the trainings that learn from them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.bootstrap import load_bundle_predictor
from ml_backend.domain.example import Row
from ml_backend.domain.job import Job, JobState
from ml_backend.domain.model import Method, WeakRows
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Snapshot, Split
from ml_backend.errors import SourceError
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.services import Services
from ml_backend.workflows.splits import splits_of
from ml_backend.workflows.training.weak_rows import ProposedRows, proposed_rows
from tests.services import add_project, choice

REASONS = """
from ml_backend.sources.writing import rationale

@rationale("Billing")
def pays(text):
    return text.mentions("bill")

@rationale("Shipping")
def parcels(text):
    return text.mentions("parcel")
"""
WRONG = """

@rationale("Shipping")
def wrong(text):
    return text.mentions("bill") and any(number > 38 for number in text.numbers().values)
"""
WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
LABELED, TASKS = 40, 160
REPEAT, REPEATED = TASKS + 1, 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "reasons.py").write_text(REASONS)
    return folder


@pytest.fixture
def project(services: Services) -> Project:
    """Tasks about parcels and bills in turn, of which people labeled the first; the last repeats a labeled one."""
    texts = [
        f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {'bill' if i % 2 else 'parcel'} {i} {WORDS[i // 64 % 8]}"
        for i in range(TASKS)
    ]
    project = add_project(services, [*texts, f"{texts[REPEATED - 1]}!"])
    for task_id in range(1, LABELED + 1):
        result = choice("Shipping" if task_id % 2 else "Billing")
        services.studio.submit_annotation(task_id, {"result": result, "completed_by": 7})
    return project


def job_of(services: Services, folder: Path) -> Job:
    training = TrainJob(
        trigger="command",
        base_model=services.options.models.base_model,
        seed=1,
        method=Method.REGRESSION,
        overrides={"suspects": "keep", "max_length_tokens": "32"},
        weak_rows=WeakRows.AUTO,
        sources=str(folder),
    )
    return training.request(services, 1, claim=True)[0]


def context_of(services: Services, job: Job) -> JobContext:
    return JobContext(services.database, job, services.options.home / "job")


@pytest.fixture
def context(services: Services, project: Project, folder: Path) -> JobContext:
    return context_of(services, job_of(services, folder))


@pytest.fixture
def snapshot(services: Services, project: Project) -> Snapshot:
    return export_project(services, project)


def proposed(
    services: Services, snapshot: Snapshot, project: Project, folder: Path, context: JobContext
) -> ProposedRows:
    return proposed_rows(services, snapshot, project, str(folder), handling=WeakRows.AUTO, context=context)


def rows_in(path: Path | None) -> list[Row]:
    assert path is not None
    return [SnapshotFolder.row_from_line(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_unlabeled_train_tasks_alone_give_rows_and_each_says_what_it_is_from(
    services: Services, project: Project, snapshot: Snapshot, folder: Path, context: JobContext
) -> None:
    found = proposed(services, snapshot, project, folder, context)

    texts = {task_id: str(task["data"]["text"]) for task_id, task in services.studio.tasks.items()}
    split_of = dict(zip(texts, splits_of(services, project, list(texts.values())), strict=True))
    unlabeled = [task_id for task_id in texts if task_id > LABELED and split_of[task_id] is Split.TRAIN]
    assert {split_of[task_id] for task_id in range(LABELED + 1, REPEAT)} == set(Split)
    assert [row.task_id for row in found.rows] == [task_id for task_id in unlabeled if task_id != REPEAT]
    assert found.repeats == (REPEAT in unlabeled)
    assert rows_in(found.path) == list(found.rows)
    assert not found.notes
    for row in found.rows:
        is_parcel = row.task_id % 2 == 1
        assert row.targets == {"category": "Shipping" if is_parcel else "Billing"}
        assert (row.source, row.labels, row.provenance.annotation_ids) == ("rationale", (), ())
        assert row.provenance.sources == ("parcels" if is_parcel else "pays",)
        assert 0 < row.weight < ProposedRows.WEIGHT
        assert row.text == texts[row.task_id]


def test_a_task_that_nearly_repeats_what_people_labeled_gives_none_whatever_its_split(
    services: Services, project: Project, snapshot: Snapshot, folder: Path, context: JobContext
) -> None:
    held_out = next(
        row for split in (Split.TEST, Split.VALIDATION) for row in SnapshotFolder(snapshot.path).rows(split)
    )
    tasks = services.options.home / "more.json"
    many = f"{held_out.text} and a further bill that nobody has seen so far"
    texts = [f"  {held_out.text.upper()}?", many]
    tasks.write_text(json.dumps([{"id": 900 + i, "data": {"text": text}} for i, text in enumerate(texts)]))
    everything_in_train = replace(
        snapshot.manifest, split=replace(snapshot.manifest.split, train=1.0, validation=0.0, test=0.0)
    )
    beside = replace(snapshot, manifest=everything_in_train)

    found = proposed_rows(services, beside, tasks, str(folder), handling=WeakRows.ROWS, context=context)

    assert ([row.text for row in found.rows], found.repeats) == ([many], 1)


def test_a_later_attempt_gets_the_same_rows_and_another_job_those_of_now(
    services: Services, project: Project, snapshot: Snapshot, folder: Path, context: JobContext
) -> None:
    first = proposed(services, snapshot, project, folder, context)
    (folder / "reasons.py").write_text(REASONS.replace("parcels", "awaited"))
    later = context_of(services, services.database.jobs.get(context.job.id))

    assert proposed(services, snapshot, project, folder, later) == first
    later.checkpoint.clear()
    changed = proposed(services, snapshot, project, folder, later)
    assert changed.digest != first.digest
    assert changed.path != first.path
    assert rows_in(first.path) == list(first.rows)
    assert export_project(services, project).id == snapshot.id


def test_a_project_may_have_a_folder_of_its_own(
    services: Services, project: Project, snapshot: Snapshot, folder: Path, context: JobContext
) -> None:
    own = folder / project.ref.key
    own.mkdir()
    (own / "reasons.py").write_text(REASONS.replace("parcels", "awaited"))

    found = proposed(services, snapshot, project, folder, context)

    assert {name for row in found.rows for name in row.provenance.sources} == {"pays", "awaited"}


def test_a_folder_that_cannot_be_used_stops_only_a_training_that_asks_for_it(
    services: Services, project: Project, snapshot: Snapshot, folder: Path, context: JobContext
) -> None:
    (folder / "reasons.py").unlink()

    found = proposed(services, snapshot, project, folder, context)

    assert (found.rows, found.facts) == ((), {})
    assert found.notes[0].startswith("no label source was used: ")
    with pytest.raises(SourceError, match="holds no source"):
        proposed_rows(services, snapshot, project, str(folder), handling=WeakRows.ROWS, context=context)


def ended(services: Services, job: Job) -> Job:
    services = replace(services, load_predictor=lambda path: load_bundle_predictor(path, "torch"))
    assert run_job(services, job.id) is JobState.SUCCEEDED, services.database.jobs.get(job.id).error
    return services.database.jobs.get(job.id)


def test_a_training_learns_from_right_rows_and_says_so(
    services: Services, project: Project, snapshot: Snapshot, folder: Path
) -> None:
    job = ended(services, job_of(services, folder))

    facts = job.result["weak_rows"]
    decision = facts["controls"]["category"]
    assert (decision["is_kept"], decision["rows"]) == (True, facts["rows"])
    assert f"{decision['with_weak_rows']:.4f}, without them {decision['without_weak_rows']:.4f}" in decision["reason"]
    (run,) = services.tracker.runs
    assert run.params["weak_rows"] == facts["rows"]
    assert run.params["train_rows"] == SnapshotFolder(snapshot.path).manifest().counts["train"]
    assert run.datasets[-1] == (f"{project.ref.key}-weak", facts["digest"], "training")
    (first, *_) = rows_in(Path(facts["path"]))
    version = services.versions.get(job.result["model_version"])
    assert read_bundle(version.path).was_trained_on([first.text]) == [True]


def test_a_wrong_source_that_too_few_labels_reveal_is_left_out(
    services: Services, project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People labeled one text that it answers; it answers half of the others, as many as it takes to outvote people."""
    monkeypatch.setattr(ProposedRows, "WEIGHT", 1.0)
    (folder / "reasons.py").write_text(REASONS.replace("bill", "invoice") + WRONG)

    facts = ended(services, job_of(services, folder)).result["weak_rows"]

    decision = facts["controls"]["category"]
    assert facts["rows"] > 50
    assert not decision["is_kept"]
    assert decision["with_weak_rows"] < decision["without_weak_rows"]
    (run,) = services.tracker.runs
    assert run.params["weak_rows"] == 0


def test_an_unchanged_snapshot_is_trained_on_again_where_the_sources_changed(
    services: Services, project: Project, folder: Path
) -> None:
    first = ended(services, job_of(services, folder))
    same = ended(services, job_of(services, folder))
    (folder / "reasons.py").write_text(REASONS[: REASONS.index('@rationale("Shipping")')])
    other = ended(services, job_of(services, folder))

    assert same.result["same_as"] == first.id
    assert "same_as" not in other.result
    assert other.result["snapshot_id"] == first.result["snapshot_id"]
    assert other.result["weak_rows"]["rows"] < first.result["weak_rows"]["rows"]
