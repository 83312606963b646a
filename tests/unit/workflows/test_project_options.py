"""Settings of projects: what holds for which, and that nothing that is done for a project passes them by."""

import ast
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Task
from ml_backend.domain.job import JobState
from ml_backend.domain.project import Project
from ml_backend.domain.project_setting import SettingOrigin
from ml_backend.errors import ConfigurationError
from ml_backend.options import Options, project_settings
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.labeling.predict import predict_for_studio
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.policy import retrain_if_due
from ml_backend.workflows.viewing.projects import project_summaries
from tests.architecture.tree import PACKAGE, python_files, syntax_of
from tests.services import add_project, build_test_services, with_settings

COMMANDS = PACKAGE / "cli"


def put(services: Services, project: Project, name: str, value: str, origin: str = "project") -> None:
    services.database.settings.put(project.id, name, value, origin=SettingOrigin(origin), by="anna")


def test_a_projects_own_settings_go_before_label_studios_and_these_before_the_environment(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, review_rule="ground_truth", retrain_after=7, currency="USD")
    project, other = add_project(services), add_project(services)
    put(services, project, "review_rule", "agreement:2")
    put(services, project, "review_rule", "submitted", "Label Studio")
    put(services, project, "retrain_after", "9", "Label Studio")

    options = services.for_project(project.id).options

    assert (options.labels.review_rule, options.retraining.after, options.costs.currency) == ("agreement:2", 9, "USD")
    assert services.for_project(other.id).options == services.options == services.for_project(0).options


def test_stored_values_that_cannot_work_are_left_out_and_named(
    services: Services, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    put(services, project, "review_rule", "by magic")
    put(services, project, "port", "1")
    put(services, project, "base_model", "/etc", "Label Studio")
    put(services, project, "retrain_after", "9")

    options = services.for_project(project.id).options

    assert options == services.options.with_values({"retrain_after": 9})
    assert [record.message.partition(":")[2].split(" is left out")[0] for record in caplog.records] == [
        " the setting base_model", " the setting port", " the setting review_rule"
    ]  # fmt: skip


def test_services_of_a_project_keep_their_settings_while_others_get_the_new_ones(
    services: Services, project: Project
) -> None:
    put(services, project, "retrain_after", "9")
    running = services.for_project(project.id)
    put(services, project, "retrain_after", "11")

    assert running.for_project(project.id).options.retraining.after == 9
    assert services.for_project(project.id).options.retraining.after == 11
    assert running.for_project(add_project(services).id).options.retraining.after == 50


def test_rows_of_a_project_are_masked_as_its_settings_say(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    project = add_project(services)
    assert services.for_project(project.id).hooks is services.hooks
    put(services, project, "redact", "email")

    assert services.for_project(project.id).hooks.names == ("redaction",)
    with pytest.raises(ConfigurationError, match="LABELLOOP_REDACT: names found"):
        services.options.with_values({"redact": "names"})


def test_no_secret_address_or_file_can_be_set_in_label_studio() -> None:
    in_studio = set(project_settings(in_studio=True))

    assert in_studio < set(project_settings())
    assert in_studio.isdisjoint({"base_model", "text_base_model", "sources", "weak_rows", "redact", "redact_region"})
    assert not [
        name for name in project_settings() if any(part in name for part in ("password", "key", "url", "secret"))
    ]


class Tattling:
    """The backend's options, which refuse to say what a project may have for itself."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        own = [field for group, field in project_settings().values() if group == name]
        value = getattr(self._options, name)
        return _TattlingGroup(value, own) if own else value


class _TattlingGroup:
    def __init__(self, group: Any, own: list[str]) -> None:
        self._group, self._own = group, own

    def __getattr__(self, name: str) -> Any:
        # Which of them the environment sets, the page may say.
        is_everybodys = name in {*type(self._group).model_fields, "model_fields_set"} and name not in self._own
        assert is_everybodys, f"{name} of the backend was read"
        return getattr(self._group, name)


def test_whatever_is_done_for_a_project_reads_the_projects_settings(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    project = add_project(services, ["a first text", "a second text"])
    put(services, project, "prelabels_off", "Billing")
    put(services, project, "retrain_after", "3")
    backend = with_settings(services)
    object.__setattr__(backend, "options", Tattling(services.options))
    object.__setattr__(backend, "_options_of", services._options_of)

    assert project_summaries(backend)[0]["retrain_after"] == 3
    assert retrain_if_due(backend.for_project(project.id), project) is None
    shown = predict_for_studio(backend, project, [Task(1, {"text": "a first text"})])
    assert shown.predictions[0].result == ()
    job, _ = PrelabelJob(trigger="command").request(backend, project.id, claim=True)
    assert run_job(backend, job.id) is JobState.SUCCEEDED


def test_every_command_about_a_project_opens_the_services_of_that_project() -> None:
    careless = [
        f"{path.name}: {function.name}"
        for path in python_files(COMMANDS)
        for function in ast.walk(syntax_of(path))
        if isinstance(function, ast.FunctionDef) and "project" in {each.arg for each in function.args.args}
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "open_services"
        if "project" not in {each.arg for each in call.keywords}
    ]

    assert careless == ["jobs.py: list_jobs", "models.py: list_models"]  # these read no setting of a project
