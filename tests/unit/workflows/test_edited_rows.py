"""Whether a training learns from edited copies of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ml_backend.bootstrap import load_bundle_predictor
from ml_backend.domain.job import Job, JobState
from ml_backend.domain.model import Method, WeakRows
from ml_backend.domain.progress import Progress
from ml_backend.domain.project import Project
from ml_backend.errors import ConfigurationError
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.edited_rows import settle_edited_rows
from tests.fakes import FakePredictor
from tests.openai_server import Script, openai_server
from tests.services import add_project, add_version, choice, with_settings
from tests.unit.learning.builders import keyword_data, linear_data

WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
LABELED = 32


@pytest.fixture
def project(services: Services) -> Project:
    """Labeled tasks about parcels and bills in turn."""
    texts = [f"the {WORDS[i % 8]} {'bill' if i % 2 else 'parcel'} came late {i}" for i in range(LABELED)]
    project = add_project(services, texts)
    for task_id in range(1, LABELED + 1):
        result = choice("Shipping" if task_id % 2 else "Billing")
        services.studio.submit_annotation(task_id, {"result": result, "completed_by": 7})
    return project


def job_of(services: Services, augment: WeakRows) -> Job:
    training = TrainJob(
        trigger="command",
        base_model=services.options.models.base_model,
        seed=1,
        method=Method.REGRESSION,
        overrides={"suspects": "keep", "max_length_tokens": "32"},
        augment=augment,
    )
    return training.request(services, 1, claim=True)[0]


def settled(
    services: Services, data: TrainingData, handling: WeakRows, held_out: Sequence[str] | None = None
) -> tuple[TrainingData, Mapping[str, Mapping[str, Any]]]:
    job = job_of(services, handling)
    (learned,), decisions = settle_edited_rows(
        services,
        [data],
        handling,
        TrainingSettings(max_length_tokens=32),
        JobContext(services.database, job, services.options.home / "job"),
        project_key=services.database.projects.get(1).ref.key,
        base_model=services.options.models.base_model,
        held_out=held_out,
        report=Progress.ignore,
    )
    return learned, decisions


def test_a_training_that_asks_for_copies_learns_from_them_beside_its_rows(services: Services, project: Project) -> None:
    job = job_of(services, WeakRows.ROWS)
    loading = replace(services, load_predictor=lambda path: load_bundle_predictor(path, "torch"))
    assert run_job(loading, job.id) is JobState.SUCCEEDED, services.database.jobs.get(job.id).error
    job = services.database.jobs.get(job.id)

    decision = job.result["augmented"]["category"]
    assert (decision["is_kept"], decision["reason"]) == (True, "they were asked for")
    (run,) = services.tracker.runs
    assert run.params["weak_rows"] == decision["rows"] > 10
    assert run.params["train_rows"] + run.params["validation_rows"] <= LABELED


def test_copies_that_do_not_help_are_left_out(services: Services, project: Project) -> None:
    data = keyword_data(10, 5)

    learned, decisions = settled(services, data, WeakRows.AUTO)

    assert not decisions["intent"]["is_kept"]
    assert "of a regression with them" in decisions["intent"]["reason"]
    assert len(learned.weak) == 0


def test_copies_weigh_a_tenth_of_their_rows(services: Services, project: Project) -> None:
    learned, _ = settled(services, keyword_data(6), WeakRows.ROWS)

    assert set(learned.weak.weights) == {0.1}
    assert learned.weak.targets == tuple(learned.train.targets[i] for i, _ in learned.origins)


def test_a_copy_that_the_champion_answers_otherwise_than_its_row_is_ruled_out(
    services: Services, project: Project
) -> None:
    data = keyword_data(6)
    champion = add_version(services, project)
    services.versions.serve(champion.name)
    refunds = {
        text: "refund" for text, label in zip(data.train.texts, data.train.targets, strict=True) if label == "refund"
    }
    services.load_predictor.put(champion.path, FakePredictor(champion.name, refunds, "card", control="intent"))

    learned, decisions = settled(services, data, WeakRows.ROWS)

    # It knows the rows of refunds by heart and calls whatever else a card, which is wrong for cash, but the same.
    assert set(learned.weak.targets) == {"card", "cash"}
    assert decisions["intent"]["disagreed"] > 10


def test_a_language_model_rewords_rows_once_and_what_is_no_rewording_is_counted(
    services: Services, project: Project
) -> None:
    data = keyword_data(4)
    repeated, blank, long = data.train.texts[:3]
    answers = {blank: "", long: "Certainly! Here is what you asked for. " * 9}
    held_out = "the parcel that nobody has ever seen came late on a Friday"

    def reword(prompt: str) -> str:
        text = prompt.rpartition("Text:\n")[2]
        return held_out if text == repeated else answers.get(text, f'"{text}, or so"')

    script = Script(answer=reword, models=("judge",))
    with openai_server(script) as url:
        asking = with_settings(services, text_server_url=url)
        learned, decisions = settled(asking, data, WeakRows.ROWS, [held_out])
        asked = len(script.requests)
        again, _ = settled(asking, data, WeakRows.ROWS, [held_out])

    reworded = decisions["intent"]["reworded"]
    assert (reworded["asked"], reworded["unusable"], reworded["leaks"]) == (asked, 2, 1) == (len(data.train), 2, 1)
    assert reworded["usable"] == len(data.train) - 3
    others = {f"{text}, or so" for text in data.train.texts[3:]}
    assert others <= set(learned.weak.texts)
    assert held_out not in learned.weak.texts
    assert len(script.requests) == asked, "another attempt at the job asks for nothing"
    assert again.weak.texts == learned.weak.texts


def test_rewording_wants_a_language_model(services: Services, project: Project) -> None:
    with pytest.raises(ConfigurationError, match="LABELLOOP_TEXT_SERVER_URL"):
        settled(services, keyword_data(4), WeakRows.ROWS, [])


@pytest.mark.parametrize("handling", [WeakRows.AUTO, WeakRows.ROWS])
def test_entities_have_no_copies(services: Services, project: Project, handling: WeakRows) -> None:
    learned, decisions = settled(services, linear_data("tags"), handling)

    assert (len(learned.weak), decisions) == (0, {})
