"""Prompted label sources over a project: who is asked about what, once, and what the answers count for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.domain.model import WeakRows
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.hooks.redaction import Redaction
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.services import Services
from ml_backend.workflows.sourcing.check import source_check
from ml_backend.workflows.sourcing.prompted import disclosure
from ml_backend.workflows.sourcing.propose import proposals
from ml_backend.workflows.sourcing.read import read_texts
from ml_backend.workflows.splits import splits_of
from ml_backend.workflows.training.weak_rows import proposed_rows
from tests.openai_server import Script, openai_server
from tests.services import add_project, build_test_services, choice, with_hook, with_settings

REASONS = """
from ml_backend.sources.writing import rationale

@rationale("Billing")
def pays(text):
    return text.mentions("bill")
"""
WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
LABELED, TASKS = 120, 200
JUDGE = "prompts/judge.toml"


def shown(prompt: str) -> str:
    return prompt.rpartition("Text:\n")[2].partition("\n\nChoose the one label")[0]


def answer(prompt: str) -> str:
    return json.dumps({"label": "Billing" if "bill" in shown(prompt) else "Shipping"})


@pytest.fixture
def script() -> Script:
    return Script(answer=answer, models=("judge",))


@pytest.fixture
def services(tmp_path: Path, script: Script, base: str) -> Iterator[Services]:
    with openai_server(script) as url:
        yield build_test_services(tmp_path, text_server_url=url, base_model=base, prompt_input_price=10.0)


@pytest.fixture
def project(services: Services) -> Project:
    """Tasks about bills and parcels in turn, of which people labeled the first."""
    texts = [
        f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {'bill' if i % 2 else 'parcel'} {i} {WORDS[i // 64 % 8]}"
        for i in range(TASKS)
    ]
    project = add_project(services, texts)
    for task_id in range(1, LABELED + 1):
        result = choice("Shipping" if task_id % 2 else "Billing")
        services.studio.submit_annotation(task_id, {"result": result, "completed_by": 7})
    return project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "judge.toml").write_text('guidelines = "Look at the wish."\nby = "Ada"\n')
    return folder


def numbers_of(services: Services, project: Project, *splits: Split, labeled: bool) -> set[int]:
    texts = {task_id: str(task["data"]["text"]) for task_id, task in services.studio.tasks.items()}
    split_of = dict(zip(texts, splits_of(services, project, list(texts.values())), strict=True))
    return {t for t in texts if split_of[t] in splits and (t <= LABELED) is labeled}


def asked_tasks(services: Services, script: Script) -> list[int]:
    numbers = {str(task["data"]["text"]): task_id for task_id, task in services.studio.tasks.items()}
    return [numbers[shown(each["messages"][-1]["content"])] for each in script.requests]


def test_train_and_validation_texts_are_asked_about_once_and_test_and_held_out_texts_never(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    read = read_texts(services, folder, project)

    wanted = numbers_of(services, project, Split.VALIDATION, Split.TRAIN, labeled=True)
    wanted |= numbers_of(services, project, Split.TRAIN, labeled=False)
    assert sorted(asked_tasks(services, script)) == sorted(wanted)
    assert any("prompts/judge.toml: judge at http://127.0.0.1:" in note and "answered" in note for note in read.notes)
    again = read_texts(services, folder, project)
    assert len(script.requests) == len(wanted)
    assert again.votes.row.tolist() == read.votes.row.tolist()
    assert any(
        f"answered {len(wanted)} of {len(wanted)} texts, {len(wanted)} of them in earlier" in n for n in again.notes
    )


def test_it_is_measured_priced_and_proposes_as_other_sources_do(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    (folder / "reasons.py").write_text(REASONS)
    read = read_texts(services, folder, project)
    pays, judge = source_check(read)["sources"]

    assert (judge["name"], judge["kind"], judge["by"], judge["place"]) == (
        JUDGE,
        "prompt",
        "Ada",
        "prompts/judge.toml",
    )
    assert judge["precision"][1] == judge["train_precision"][1] == 1.0
    assert judge["is_on"]
    words = [sum(len(each["content"].split()) for each in one["messages"]) for one in script.requests]
    per = judge["costs"]
    assert per["input_tokens"] == pytest.approx(1000 * sum(words) / len(words), abs=1)
    assert per["price"] == pytest.approx(per["input_tokens"] * 10 / 1e6)
    assert pays["costs"] is None
    found, _ = proposals(read)
    assert {each.task_id for each in found} == numbers_of(services, project, Split.TRAIN, labeled=False)
    assert {each.by for each in found} == {(JUDGE,), ("pays", JUDGE)}


def test_the_limit_asks_about_validation_first_says_so_and_another_run_goes_on(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    blind = numbers_of(services, project, Split.VALIDATION, labeled=True)
    few = with_settings(services, prompt_most=len(blind))

    notes = read_texts(few, folder, project).notes
    assert set(asked_tasks(services, script)) == blind
    assert any(
        re.search(r"prompts/judge.toml: texts not asked about: \d+, since the limit for one run", note)
        for note in notes
    )
    read_texts(few, folder, project)
    assert len(script.requests) == 2 * len(blind)
    assert set(asked_tasks(services, script)[len(blind) :]) <= numbers_of(services, project, Split.TRAIN, labeled=False)


def test_examples_are_train_rows_and_never_the_text_itself(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    (folder / "prompts" / "judge.toml").write_text("examples = 3")
    read_texts(services, folder, project)

    train = {
        str(services.studio.tasks[t]["data"]["text"]) for t in numbers_of(services, project, Split.TRAIN, labeled=True)
    }
    for request in script.requests:
        texts = [shown(each["content"]) for each in request["messages"] if each["role"] == "user"]
        assert len(set(texts)) == 4
        assert set(texts[:-1]) <= train


def test_a_server_that_fails_half_way_keeps_what_it_answered_and_is_a_fault(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    (folder / "reasons.py").write_text(REASONS)
    script.refusals += [(401, "no")]
    broken = read_texts(services, folder, project)
    kept = len(script.requests)
    assert any("since the server was given up" in note and "401" in note for note in broken.notes)
    whole = read_texts(services, folder, project)
    assert len(whole.votes) > len(broken.votes)
    assert len(script.requests) - kept < kept + len(whole.texts)


def test_a_text_that_the_server_refuses_is_counted_and_the_others_are_answered(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    script.refusals += [(400, "the text is too long")] * 4
    read = read_texts(with_settings(services, prompt_at_once=1), folder, project)
    assert any("texts that the server refused: 1, the first because" in n and "is too long" in n for n in read.notes)
    assert len(read.votes) == len(script.requests) - 4


def test_a_server_that_refuses_every_text_is_given_up_soon(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    script.refusals += [(400, "no such model")] * 1000
    read = read_texts(with_settings(services, prompt_at_once=1), folder, project)
    assert any("since the server was given up" in note and "no such model" in note for note in read.notes)
    assert len(script.requests) < 30


def test_answers_that_cannot_be_used_are_counted_with_the_first_text(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    script.answer = lambda prompt: '{"label": "Weather"}' if "bill" in shown(prompt) else "I cannot say."
    read = read_texts(services, folder, project)

    assert len(read.votes) == 0
    unknown, unreadable = sorted(read.faults, key=lambda fault: fault.problem)
    assert "names a label that the control does not offer" in unknown.problem
    assert "nothing could be made of an answer" in unreadable.problem
    assert unknown.count + unreadable.count == len(script.requests)
    assert not unknown.is_fatal


def test_nobody_is_asked_without_a_prompt_or_without_a_server(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    assert disclosure(services, folder).startswith("http://127.0.0.1:")
    (folder / "reasons.py").write_text(REASONS)
    unset = with_settings(services, text_server_url="")
    read = read_texts(unset, folder, project)
    assert [fault.is_fatal for fault in read.faults] == [True]
    assert "wanted LABELLOOP_TEXT_SERVER_URL" in read.faults[0].problem
    (folder / "prompts" / "judge.toml").unlink()
    assert disclosure(services, folder) == ""
    read_texts(services, folder, project)
    assert script.requests == []


def test_masked_personal_data_does_not_leave(services: Services, folder: Path, script: Script) -> None:
    project = add_project(services, [f"I am ada{i}@example.com, bill {i}" for i in range(40)])
    services.studio.submit_annotation(1, {"result": choice("Billing"), "completed_by": 7})
    read_texts(with_hook(services, Redaction("email")), folder, project)

    assert script.requests
    assert "ada" not in json.dumps(script.requests)


def test_rows_that_prompts_alone_propose_say_so(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    (folder / "reasons.py").write_text(REASONS)
    training = TrainJob(trigger="command", base_model=services.options.models.base_model, seed=1)
    job, _ = training.request(services, project.id, claim=True)
    context = JobContext(services.database, job, services.options.home / "job")
    snapshot = export_project(services, project)
    found = proposed_rows(services, snapshot, project, str(folder), handling=WeakRows.AUTO, context=context)
    assert any("answered" in note for note in found.notes)
    assert {(row.source, row.provenance.sources) for row in found.rows} == {
        ("llm", (JUDGE,)),
        ("rationale", ("pays", JUDGE)),
    }


def test_nobody_is_asked_for_a_prompt_that_somebody_has_switched_off(
    services: Services, project: Project, folder: Path, script: Script
) -> None:
    services.database.source_switches.put(project.id, JUDGE, is_on=False, actor="ada")

    checked = source_check(read_texts(services, folder, project))

    assert script.requests == []
    assert (checked["sources"][0]["is_on"], checked["sources"][0]["coverage"]) == (False, 0)
    assert f"{JUDGE}: nobody was asked, since it is switched off" in checked["notes"]
