"""Label sources over a project: measured on blind rows, combined, proposed."""

import json
from pathlib import Path

import pytest

from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import ConfigurationError, SourceError
from ml_backend.workflows.jobs.kinds.check_sources import CheckSourcesJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.services import Services
from ml_backend.workflows.sourcing.check import source_check
from ml_backend.workflows.sourcing.entries import proposed_entries
from ml_backend.workflows.sourcing.propose import proposals, source_proposals
from ml_backend.workflows.sourcing.read import AskedFiles, read_texts
from ml_backend.workflows.sourcing.stored import stored_check
from ml_backend.workflows.sourcing.switching import switch_source
from ml_backend.workflows.splits import splits_of
from ml_backend.workflows.viewing.sources import project_sources
from tests.services import CONFIG, add_project, build_test_services, choice, with_settings, write_export

REASONS = """
from ml_backend.sources.writing import rationale

@rationale("Billing", by="Ada", when="2026-11-30")
def pays(text):
    '''They name a bill.'''
    return text.mentions("bill")

@rationale("Billing")
def wrong(text):
    return text.mentions("parcel")

@rationale("Shipping")
def parcels(text):
    return text.mentions("parcel") and "7" not in text
"""
WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
LABELED = 160


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "reasons.py").write_text(REASONS)
    return folder


@pytest.fixture
def project(services: Services) -> Project:
    """Tasks about bills and parcels in turn, of which people labeled the first; bills are Billing, parcels Shipping."""
    texts = [
        f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {'bill' if i % 2 else 'parcel'} {i} {WORDS[i // 64 % 8]}"
        for i in range(240)
    ]
    project = add_project(services, texts)
    for task_id in range(1, LABELED + 1):
        label = "Shipping" if task_id % 2 else "Billing"
        services.studio.submit_annotation(task_id, {"result": choice(label), "completed_by": 7})
    return project


def splits(services: Services, project: Project) -> dict[int, Split]:
    tasks = {task_id: task["data"]["text"] for task_id, task in services.studio.tasks.items()}
    return dict(zip(tasks, splits_of(services, project, list(tasks.values())), strict=True))


def test_each_source_is_measured_on_validation_and_train_rows_and_test_rows_are_not_looked_at(
    services: Services, project: Project, folder: Path
) -> None:
    checked = source_check(read_texts(services, folder, project))
    split_of = splits(services, project)
    labeled = {split: [t for t in range(1, LABELED + 1) if split_of[t] is split] for split in Split}
    assert all(labeled.values())
    pays, wrong, parcels = checked["sources"]
    assert (pays["name"], pays["reason"], pays["by"], pays["place"]) == (
        "pays",
        "They name a bill.",
        "Ada",
        "reasons.py:4",
    )
    assert pays["coverage"] == 0.5
    assert pays["rows"] == sum(t % 2 == 0 for t in labeled[Split.VALIDATION])
    assert pays["train_rows"] == sum(t % 2 == 0 for t in labeled[Split.TRAIN])
    assert pays["precision"][1:] == [1.0, 1.0]
    assert (pays["is_on"], parcels["is_on"], pays["conflicts"]) == (True, True, 0)
    assert (wrong["is_on"], wrong["precision"][1]) == (False, 0.0)
    assert wrong["off_because"] == f"0 of its {wrong['train_rows']} votes on train rows are right, surely less than 50%"


def test_differences_are_of_train_rows_and_of_sources_that_are_on(
    services: Services, project: Project, folder: Path
) -> None:
    services.studio.submit_annotation(LABELED + 2, {"result": choice("Returns"), "completed_by": 7})
    found = source_check(read_texts(services, folder, project))["differences"]
    expected = [LABELED + 2] * (splits(services, project)[LABELED + 2] is Split.TRAIN)
    assert [(each["task_id"], each["source"], each["says"], each["given"]) for each in found] == [
        (task_id, "pays", "Billing", "Returns") for task_id in expected
    ]
    everything = source_check(read_texts(services, folder, project, floor=0.0))
    split_of = splits(services, project)
    assert {split_of[each["task_id"]] for each in everything["differences"]} == {Split.TRAIN}
    assert {each["source"] for each in everything["differences"]} >= {"wrong"}


def test_only_unlabeled_train_tasks_get_proposals_by_the_sources_that_are_on(
    services: Services, project: Project, folder: Path
) -> None:
    found, sentences = proposals(read_texts(services, folder, project))
    split_of = splits(services, project)
    unlabeled = [t for t in range(LABELED + 1, 241) if split_of[t] is Split.TRAIN]
    answered = [t for t in unlabeled if t % 2 == 0 or "7" not in services.studio.tasks[t]["data"]["text"]]
    assert [each.task_id for each in found] == answered
    assert {(each.targets["category"], each.by) for each in found} == {
        ("Billing", ("pays",)),
        ("Shipping", ("parcels",)),
    }
    assert all(each.confidence > 0.9 for each in found)
    assert sentences == [
        "confidences of category are not calibrated: fewer than 30 labeled validation rows have a vote"
    ]


def test_files_say_the_same_as_a_project_and_further_tasks_can_be_named(
    services: Services, project: Project, folder: Path, tmp_path: Path
) -> None:
    export = write_export(services, tmp_path / "export.json")
    more = tmp_path / "more.json"
    more.write_text(json.dumps([{"id": 1000 + i, "data": {"text": f"a bill of item {i}"}} for i in range(20)]))
    by_project = source_check(read_texts(services, folder, project))
    by_files = read_texts(services, folder, AskedFiles(export, CONFIG, more))
    assert len(by_files.task_ids) == 260
    assert [each["train_precision"][1] for each in source_check(by_files)["sources"]] == [
        each["train_precision"][1] for each in by_project["sources"]
    ]
    proposed = {each["task_id"] for each in source_proposals(by_files)["proposals"]}
    assert {task_id for task_id in proposed if task_id > 1000} <= set(range(1000, 1020))
    assert len(proposed) > 50


def test_labeled_tasks_that_give_no_row_are_counted_with_the_reason(
    services: Services, project: Project, folder: Path, tmp_path: Path
) -> None:
    export = write_export(services, tmp_path / "export.json")
    tasks = json.loads(export.read_text())
    labeled = [task for task in tasks if task["annotations"]]
    labeled[0]["annotations"][0]["was_cancelled"] = True
    export.write_text(json.dumps(tasks))

    notes = read_texts(services, folder, AskedFiles(export, CONFIG)).notes

    left_out = [note for note in notes if note.startswith("left out")]
    assert left_out == [f"left out: 1 task that annotators skipped ({labeled[0]['id']})"]


ENTITIES = """<View><Text name="text" value="$text"/>
<Labels name="places" toName="text"><Label value="City"/><Label value="River"/></Labels></View>"""


def region(start: int, end: int, label: str, text: str) -> dict:
    value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
    return {"from_name": "places", "to_name": "text", "type": "labels", "id": f"{start}", "value": value}


@pytest.fixture
def marked(services: Services) -> Project:
    """Texts in which people marked a city at the beginning, and in the second half nobody did anything."""
    cities = ("Bath", "Hull", "Leeds", "York")
    texts = [f"{cities[i % 4]} is {WORDS[i % 7]} {WORDS[i // 8 % 8]}, number {i} by the Thames" for i in range(80)]
    project = add_project(services, texts, label_config=ENTITIES)
    for task_id in range(1, 41):
        text = texts[task_id - 1]
        result = [region(0, text.index(" "), "City", text)]
        services.studio.submit_annotation(task_id, {"result": result, "completed_by": 7})
    return project


def test_pieces_are_measured_proposed_and_grow_lists(services: Services, marked: Project, folder: Path) -> None:
    (folder / "reasons.py").unlink()
    (folder / "gazetteers").mkdir()
    (folder / "gazetteers" / "City.txt").write_text("Bath\nLeeds\n")
    read = read_texts(services, folder, marked)
    listed, before = source_check(read)["sources"]
    assert (listed["name"], listed["coverage"], listed["train_precision"][1]) == ("gazetteers/City.txt: City", 0.5, 1.0)
    assert (before["name"], before["train_precision"]) == ("marked before: City", None)
    entries = proposed_entries(read)["entries"]
    assert {(each["label"], each["entry"]) for each in entries} == {("City", "Hull"), ("City", "York")}
    assert all(each["marked"] == each["occurs"] > 1 for each in entries)
    found, _ = proposals(read)
    bath = next(each for each in found if "marked before: City" in each.by and len(each.by) == 2)
    assert [(span.start, span.end, span.label) for span in bath.targets["places"]] in (
        [(0, 4, "City")],
        [(0, 5, "City")],
    )


def test_a_folder_without_a_source_is_refused_with_its_faults(
    services: Services, project: Project, folder: Path
) -> None:
    (folder / "reasons.py").write_text("import nothing_of_this_name")
    with pytest.raises(SourceError, match=r"holds no source; wanted rationales .*; reasons.py:1: ModuleNotFoundError"):
        read_texts(services, folder, project)


def test_controls_that_are_answered_in_words_take_no_sources(services: Services, folder: Path) -> None:
    written = """<View><Text name="prompt" value="$prompt"/>
    <TextArea name="response" toName="prompt" required="true"/></View>"""
    project = add_project(services, label_config=written)
    with pytest.raises(ConfigurationError, match="no control of the label config is answered with labels"):
        read_texts(services, folder, project)


def test_a_source_that_somebody_has_switched_off_counts_for_nothing_and_is_measured_all_the_same(
    services: Services, project: Project, folder: Path
) -> None:
    services = with_settings(services, sources=str(folder))
    job, _ = CheckSourcesJob(trigger="page").request(services, project.id, claim=True)
    run_job(services, job.id)
    before = stored_check(services, project)
    assert before is not None
    assert [each["is_on"] for each in before["sources"]] == [True, False, True]

    assert switch_source(services, project, "pays", is_on=False, actor="ada")
    assert not switch_source(services, project, "pays", is_on=False, actor="ben")
    with pytest.raises(SourceError, match="knows no source 'pay'; it knows pays, wrong, parcels"):
        switch_source(services, project, "pay", is_on=False, actor="ada")
    read = read_texts(services, folder, project)

    pays = source_check(read)["sources"][0]
    assert (pays["is_on"], pays["off_because"]) == (False, "ada switched it off on 2026-01-01")
    assert (pays["measured_off"], pays["precision"]) == (None, before["sources"][0]["precision"])
    assert {name for each in proposals(read)[0] for name in each.by} == {"parcels"}
    (shown, *_) = (project_sources(services, project) or {})["sources"]
    assert (shown["is_on"], shown["switch"]["actor"]) == (False, "ada")
