"""Versions that are trained before anybody has labeled a task, from what label sources propose."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.bootstrap import load_bundle_predictor
from ml_backend.domain.job import Job, JobState
from ml_backend.domain.model import LearnedFrom, Method
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import CertificateError
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.accepting.certify import Certifier
from ml_backend.workflows.exporting.snapshots import newest_snapshot
from ml_backend.workflows.jobs.kinds.audit import AuditJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.promoting.gate import hold_gate
from ml_backend.workflows.services import Services
from ml_backend.workflows.splits import splits_of
from ml_backend.workflows.status import ProjectStatus
from tests.services import add_project, add_version, choice

ALL_LABELS = """
from ml_backend.sources.writing import rationale

@rationale("Billing")
def pays(text):
    return text.mentions("bill")

@rationale("Shipping")
def parcels(text):
    return text.mentions("parcel")

@rationale("Returns")
def sent_back(text):
    return text.mentions("return")
"""
TOPICS = {"bill": "Billing", "parcel": "Shipping", "return": "Returns"}
CHOICES = """<View><Text name="text" value="$text"/><Choices name="category" toName="text" choice="{choice}">
<Choice value="Billing"/><Choice value="Shipping"/><Choice value="Returns"/></Choices></View>"""
SPANS = """<View><Labels name="category" toName="text"><Label value="Billing"/><Label value="Shipping"/>
<Label value="Returns"/></Labels><Text name="text" value="$text"/></View>"""
KINDS = {"single": CHOICES.format(choice="single"), "several": CHOICES.format(choice="multiple"), "spans": SPANS}
WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
TASKS = 90
TEXTS = [f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {[*TOPICS][i % 3]} {i}" for i in range(TASKS)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "reasons.py").write_text(ALL_LABELS)
    return folder


def real(services: Services) -> Services:
    return replace(services, load_predictor=lambda path: load_bundle_predictor(path, "torch"))


def request(services: Services, folder: Path, method: Method = Method.AUTO) -> Job:
    training = TrainJob(
        trigger="command",
        base_model=services.options.models.base_model,
        seed=1,
        method=method,
        overrides={"max_length_tokens": "32"},
        sources=str(folder),
    )
    return training.request(services, 1, claim=True)[0]


def trained(services: Services, folder: Path, method: Method = Method.AUTO) -> dict[str, Any]:
    job = request(services, folder, method)
    assert run_job(real(services), job.id) is JobState.SUCCEEDED, services.database.jobs.get(job.id).error
    return dict(services.database.jobs.get(job.id).result)


def label(services: Services, project: Project, splits: set[Split], most: int) -> None:
    for task_id, split in list(zip(services.studio.tasks, splits_of(services, project, TEXTS), strict=True)):
        if split in splits and most:
            topic = TOPICS[TEXTS[task_id - 1].split()[2]]
            services.studio.submit_annotation(task_id, {"result": choice(topic), "completed_by": 7})
            most -= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_without_a_label_gets_pre_labels_for_train_tasks_alone(
    services: Services, folder: Path, kind: str
) -> None:
    project = add_project(services, TEXTS, label_config=KINDS[kind])

    result = trained(services, folder)

    assert result["is_promoted"]
    assert result["gate"]["is_provisional"]
    assert result["gate"]["reason"] == (
        f"no test rows to compare on, and {result['model_version']} learned from label sources alone: "
        f"it replaces {result['gate']['champion']} provisionally"
    )
    assert any("0 held-out rows calibrate the confidence scores" in warning for warning in result["warnings"])
    splits = splits_of(services, project, TEXTS)
    shown: dict[int, list[Any]] = {}
    for prediction in services.studio.predictions.values():
        if prediction["model_version"] == result["model_version"]:
            shown[prediction["task"]] = prediction["result"]
    held_out = {task_id for task_id, split in enumerate(splits, start=1) if split.is_held_out}
    assert held_out
    assert not any(shown.get(task_id) for task_id in held_out)
    right = Counter(
        TOPICS[TEXTS[task_id - 1].split()[2]] in str(regions)
        for task_id, regions in shown.items()
        if task_id not in held_out
    )
    assert right[True] > 0.9 * right.total() > 40
    assert list(SnapshotFolder(newest_snapshot(services, project).path).rows(Split.TRAIN)) == []


def test_it_is_shown_as_what_it_is_and_nobody_audits_labels_that_are_not_there(
    services: Services, folder: Path
) -> None:
    project = add_project(services, TEXTS)
    result = trained(services, folder)

    assert result["learned_from"] == "label sources alone"
    assert services.versions.get(result["model_version"]).learned_from is LearnedFrom.SOURCES
    assert ProjectStatus.of(services, project).learned_from == "label sources alone"
    assert services.database.jobs.last(AuditJob.name, project.id) is None
    with pytest.raises(CertificateError, match="0 blind test rows cannot certify"):
        Certifier(real(services), project).certify(0.02, 0.05)


def test_held_out_labels_alone_hold_the_gate_and_judge_it_by_figures(services: Services, folder: Path) -> None:
    project = add_project(services, TEXTS)
    label(services, project, {Split.VALIDATION, Split.TEST}, TASKS)

    result = trained(services, folder)

    assert result["learned_from"] == "label sources alone"
    assert result["gate"]["rows"] > 0
    assert "macro-F1" in result["gate"]["reason"]
    assert result["is_promoted"]
    assert result["metrics"]["test"]["macro_f1"] > 0.8


def test_a_first_label_is_learned_from_beside_sources_although_it_shows_one_class(
    services: Services, folder: Path
) -> None:
    project = add_project(services, TEXTS)
    label(services, project, {Split.TRAIN}, 1)

    result = trained(services, folder)

    assert (result["learned_from"], result["is_promoted"]) == ("labels and label sources", True)
    assert "too few rows" in result["weak_rows"]["controls"]["category"]["reason"]


def test_a_single_choice_keeps_the_cold_start_while_sources_know_a_part_of_the_labels(
    services: Services, folder: Path
) -> None:
    add_project(services, TEXTS)
    (folder / "reasons.py").write_text(ALL_LABELS[: ALL_LABELS.index('@rationale("Returns")')])

    result = trained(services, folder)

    assert not result["is_promoted"]
    assert "propose fewer than 5 texts for Returns (0)" in result["gate"]["reason"]
    assert "stays; write sources for these, or label test tasks" in result["gate"]["reason"]


def test_better_sources_replace_earlier_ones_and_never_what_people_taught(services: Services, folder: Path) -> None:
    project = add_project(services, TEXTS)
    first = trained(services, folder)
    (folder / "reasons.py").write_text(ALL_LABELS.replace("sent_back", "went_back"))
    second = trained(services, folder)
    by_people = add_version(services, project)
    services.versions.serve(by_people.name)

    assert second["is_promoted"]
    assert second["gate"]["champion"] == first["model_version"]
    sources_alone = services.versions.get(second["model_version"])
    outcome = hold_gate(
        real_first(services, by_people.path), newest_snapshot(services, project), sources_alone, project
    )
    assert outcome is not None
    assert not outcome.decision.promote
    assert outcome.decision.reason.endswith(
        f"so {sources_alone.name} cannot be compared with {by_people.name}, which stays"
    )


def real_first(services: Services, fake: Path) -> Services:
    """Services that load real versions, but for one whose predictor is a fake."""
    loaded = real(services).load_predictor
    return replace(
        services, load_predictor=lambda path: services.load_predictor(path) if path == fake else loaded(path)
    )


def test_the_first_version_that_people_taught_meets_it_at_the_ordinary_gate(services: Services, folder: Path) -> None:
    project = add_project(services, TEXTS)
    first = trained(services, folder)
    label(services, project, set(Split), TASKS)

    second = trained(services, folder, Method.REGRESSION)

    assert second["learned_from"] in ("labels", "labels and label sources")
    assert second["gate"]["champion"] == first["model_version"]
    assert second["gate"]["rows"] > 0


def test_sources_that_propose_nothing_train_nothing_and_say_why(services: Services, folder: Path) -> None:
    add_project(services, TEXTS)
    (folder / "reasons.py").write_text(
        ALL_LABELS.replace('"bill"', '"x"').replace('"parcel"', '"x"').replace('"return"', '"x"')
    )

    job = request(services, folder)

    assert run_job(real(services), job.id) is JobState.FAILED
    assert "label sources propose nothing for unlabeled train tasks" in services.database.jobs.get(job.id).error
