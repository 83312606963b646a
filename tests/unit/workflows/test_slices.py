"""Slices of a project's test rows, from its tasks to the gate, and what the log says of it."""

from collections.abc import Sequence

import pytest

from ml_backend.cli.output import emit
from ml_backend.cli.slices import comparison_table
from ml_backend.domain.job import JobState
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.kinds.promote import PromoteJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.promoting.gate import compare_versions
from ml_backend.workflows.promoting.log import promotion_log
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.backend_process import command
from tests.fakes import FakePredictor
from tests.services import add_project, add_version, choice, texts_in, with_settings

TEXTS = texts_in(Split.TEST, 110)  # too few for clusters, which need the base model
LABELS = ["Billing"] * 35 + ["Shipping"] * 35 + ["Returns"] * 40
TRUE = dict(zip(TEXTS, LABELS, strict=True))


@pytest.fixture
def services(services: Services) -> Services:
    return with_settings(services, slice_fields="channel, priority")


@pytest.fixture
def project(services: Services) -> Project:
    """Every second task came by mail, and the others by chat."""
    project = add_project(services, TEXTS)
    for number, (task_id, task) in enumerate(services.studio.tasks.items()):
        task["data"]["channel"] = "mail" if number % 2 else "chat"
        services.studio.submit_annotation(task_id, {"result": choice(TRUE[task["data"]["text"]])})
    export_project(services, project)
    return project


def version_wrong_on(services: Services, project: Project, texts: Sequence[str]) -> ModelVersion:
    version = add_version(services, project)
    answers = {text: label if text not in texts else "Billing" for text, label in TRUE.items()}
    wrong = {text: "Shipping" for text in texts if TRUE[text] == "Billing"}
    services.load_predictor.put(version.path, FakePredictor(version.name, answers | wrong))
    return version


def two_versions(services: Services, project: Project) -> tuple[ModelVersion, ModelVersion]:
    """The champion is wrong on 30 of Billing and Shipping each, the challenger on 12 of Returns."""
    champion = version_wrong_on(services, project, [*TEXTS[:30], *TEXTS[35:65]])
    challenger = version_wrong_on(services, project, TEXTS[-12:])
    Promoter(services).promote(project, champion.name, reason="first", is_forced=True, actor="ann@laptop")
    return champion, challenger


def promote(services: Services, version: str | None, *, is_forced: bool = False) -> tuple[JobState, str | None]:
    wanted = PromoteJob(version=version, reason="asked", is_forced=is_forced, actor="bob@server")
    services.clock.advance(60)
    job, _ = wanted.request(services, 1, claim=True)
    state = run_job(services, job.id)
    return state, services.database.jobs.get(job.id).error


def test_a_version_that_wins_overall_and_breaks_a_class_is_kept_out(services: Services, project: Project) -> None:
    champion, challenger = two_versions(services, project)

    state, error = promote(services, challenger.name)

    assert (state, services.versions.serving(project)) == (JobState.FAILED, champion.name)
    decision = services.database.gates.last(project.ref.key)
    assert decision is not None
    assert decision.lower_bound is not None
    assert decision.lower_bound > 0
    assert decision.reason == (
        f"kept {champion.name}: {challenger.name} gains {100 * decision.difference:.1f} points of macro-F1 overall "
        "but loses 30.0 on `class: Returns` (40 test rows)"
    )
    assert decision.reason in str(error)
    assert [each.champion.name for each in decision.vetoes] == ["class: Returns"]
    assert promote(services, challenger.name, is_forced=True)[0] is JobState.SUCCEEDED


def test_the_slices_of_a_comparison_are_large_enough_and_distinct(services: Services, project: Project) -> None:
    first, second = two_versions(services, project)

    decision = compare_versions(services, first.name, second.name).decision

    kinds = {"class: Billing", "class: Shipping", "class: Returns", "field channel: mail", "field channel: chat"}
    names = {each.champion.name for each in decision.slices}
    # All tasks have the same annotator, and a fifth of them is too little.
    assert names == kinds
    assert "field priority: no row carries it" in decision.warnings


def test_the_table_of_slices_shows_both_versions_and_what_it_means(
    services: Services, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two_versions(services, project)

    slices = compare_versions(services, first.name, second.name).decision.slices
    emit(slices, as_json=False, lines=[comparison_table(slices)])

    header, worst, *_ = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "slice"
    assert worst.split() == [
        *("class:", "Returns", "40", "1.000", "0.912", "to", "1.000"),
        *("0.700", "0.546", "to", "0.819", "-0.300", "0.000", "surely", "worse"),
    ]


def test_the_log_says_who_let_what_serve(services: Services, project: Project) -> None:
    champion, challenger = two_versions(services, project)
    promote(services, challenger.name)
    promote(services, challenger.name, is_forced=True)
    promote(services, None)

    log = promotion_log(services, project)

    cold = services.cold_start(project).version
    assert [(each["action"], each["version"], each["previous"], each["by"]) for each in log] == [
        ("rolled back", champion.name, challenger.name, "bob@server"),
        ("forced", challenger.name, champion.name, "bob@server"),
        ("kept", challenger.name, champion.name, "gate"),
        ("forced", champion.name, cold, "ann@laptop"),
    ]
    assert "but loses 30.0" in log[2]["reason"]
    shown = command(services.options.home, "models", "log", "--project", str(project.id)).stdout.splitlines()
    assert [line.split("  ")[1].strip() for line in shown[1:]] == ["rolled back", "forced", "kept", "forced"]
