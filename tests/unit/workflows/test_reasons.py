"""The reasons that people gave: listed for whoever writes sources, without those of held-out tasks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.example import Row, Span
from ml_backend.domain.flag import Flag
from ml_backend.domain.project import Project
from ml_backend.domain.quality import IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.hooks import hookimpl
from ml_backend.hooks.redaction import Redaction
from ml_backend.tasks.explanations import Explanation
from ml_backend.workflows.services import Services
from ml_backend.workflows.sourcing.check import source_check
from ml_backend.workflows.sourcing.explained import GivenReasons
from ml_backend.workflows.sourcing.read import read_texts
from ml_backend.workflows.sourcing.worklist import reasons_worklist
from ml_backend.workflows.splits import splits_of
from tests.services import add_project, build_test_services, choice, with_hook

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="category" toName="text" choice="single">
    <Choice value="Billing"/><Choice value="Shipping"/><Choice value="Returns"/>
  </Choices>
  <TextArea name="category_reason" toName="text"/>
  <Labels name="category_evidence" toName="text"><Label value="evidence"/></Labels>
</View>"""
SOURCES = """
from ml_backend.sources.writing import rationale

@rationale("Shipping")
def parcels(text):
    return text.mentions("parcel")
"""
WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
MAIL = "ann@example.com"


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "reasons.py").write_text(SOURCES)
    return folder


def text_of(number: int) -> str:
    thing = ("owes 20 euros", "bills", "parcel")[number % 3]
    return f"{WORDS[number % 8]} {WORDS[number // 8 % 8]} {thing} {number} from {MAIL}"


@pytest.fixture
def project(services: Services) -> Project:
    """Tasks about money, bills and parcels in turn; every ninth has a reason, every sixth was pre-labeled wrongly."""
    project = add_project(services, [text_of(n) for n in range(1, 181)], label_config=CONFIG)
    for task_id in range(1, 181):
        result = [*choice("Shipping" if task_id % 3 == 2 else "Billing")]
        if task_id % 9 < 3:
            result += reasons(task_id)
        annotation = {"result": result, "completed_by": 7}
        if task_id % 2 == 0:
            annotation["parent_prediction"] = services.studio.predict_in_editor(
                task_id, Prediction(tuple(choice("Returns")), 0.5, "m-v1")
            )
        services.studio.submit_annotation(task_id, annotation)
    return project


def reasons(task_id: int) -> list[dict[str, Any]]:
    text = text_of(task_id)
    piece = ("owes 20 euros", "bills", "parcel")[task_id % 3]
    start = text.index(piece)
    place = {"start": start, "end": start + len(piece), "text": piece, "labels": ["evidence"]}
    why = f"It says {piece}, writes {MAIL}."
    return [
        {"from_name": "category_reason", "to_name": "text", "type": "textarea", "value": {"text": [why]}},
        {"from_name": "category_evidence", "to_name": "text", "type": "labels", "value": place},
    ]


def splits(services: Services, project: Project) -> dict[int, Split]:
    tasks = {task_id: task["data"]["text"] for task_id, task in services.studio.tasks.items()}
    return dict(zip(tasks, splits_of(services, project, list(tasks.values())), strict=True))


def worklist(services: Services, project: Project, folder: Path | None = None) -> dict[str, Any]:
    return dict(reasons_worklist(services, project, read_texts(services, folder, project, labeled_alone=True)))


def test_reasons_of_train_tasks_are_listed_and_those_of_held_out_ones_counted(
    services: Services, project: Project
) -> None:
    found = worklist(services, project)
    split_of = splits(services, project)
    explained = [task_id for task_id in range(1, 181) if task_id % 9 < 3]
    shown = [each for group in found["groups"] for each in group["examples"]]
    assert sorted(each["task_id"] for each in shown) == [t for t in explained if split_of[t] is Split.TRAIN]
    assert found["held_back"] == len(explained) - len(shown) > 0
    assert f"reasons on held-out tasks, which are not shown: {found['held_back']}" in found["notes"]
    first = shown[0]
    assert first["url"] == f"http://studio.test:8080/projects/{project.id}/data?task={first['task_id']}"
    assert (first["text"], first["annotator"]) == (text_of(first["task_id"]), "7")
    assert first["words"].startswith(f"It says {first['evidence'][0]}")


def test_what_is_confused_and_not_covered_comes_first(services: Services, project: Project, folder: Path) -> None:
    found = worklist(services, project, folder)
    assert [(each["label"], each["instead_of"]) for each in found["groups"]] == [
        ("Billing", "Returns"),
        ("Billing", None),
        ("Shipping", "Returns"),
        ("Shipping", None),
    ]
    split_of = splits(services, project)
    train = [task_id for task_id in range(1, 181) if split_of[task_id] is Split.TRAIN]
    billing, _, shipping, _ = found["groups"]
    assert billing["confused"] == sum(t % 2 == 0 and t % 3 != 2 for t in train)
    assert (billing["covered"], shipping["covered"]) == (0, shipping["reasons"])
    assert {name for each in shipping["examples"] for name in each["fires"]} == {"parcels"}


def test_what_an_audit_suggested_is_what_a_model_said(services: Services, project: Project) -> None:
    split_of = splits(services, project)
    explained = [t for t in range(1, 181) if t % 9 < 3 and t % 2 and t % 3 == 2]
    train = next(t for t in explained if split_of[t] is Split.TRAIN)
    flag = Flag(
        project_id=project.id,
        task_id=train,
        control="category",
        kind=IssueKind.LABEL_ERROR,
        given="Shipping",
        suggested="Billing",
        quality=0.1,
        is_held_out=False,
        is_decoy=False,
        snapshot_id="s",
        probabilities_from="a regression",
        labeled_at="",
        flagged_at=services.clock(),
    )
    services.database.flags.put(flag)
    groups = {(each["label"], each["instead_of"]): each for each in worklist(services, project)["groups"]}
    assert [each["task_id"] for each in groups["Shipping", "Billing"]["examples"]] == [train]
    assert groups["Shipping", "Billing"]["confused"] == 1


def test_marked_phrases_are_measured_as_the_sources_that_they_become(
    services: Services, project: Project, folder: Path
) -> None:
    found = {each["entry"]: each for each in worklist(services, project)["phrases"]}
    assert {(entry, each["label"], each["is_pattern"]) for entry, each in found.items()} == {
        ("bills", "Billing", False),
        ("owes {d+} euros", "Billing", True),
        ("parcel", "Shipping", False),
    }
    (folder / "reasons.py").unlink()
    (folder / "gazetteers").mkdir()
    (folder / "gazetteers" / "Billing.txt").write_text("bills\n")
    (folder / "gazetteers" / "Shipping.txt").write_text("parcel\n")
    (folder / "gazetteers" / "settings.toml").write_text(
        '["Billing"]\ninflections = "english"\n["Shipping"]\ninflections = "english"\n'
    )
    (folder / "patterns").mkdir()
    (folder / "patterns" / "marked.toml").write_text(
        '[[patterns]]\nname = "money"\nlabel = "Billing"\npattern = "owes {d+} euros"\n'
    )
    checked = {each["name"]: each for each in source_check(read_texts(services, folder, project))["sources"]}
    for name, entry in (
        ("gazetteers/Billing.txt: Billing", "bills"),
        ("gazetteers/Shipping.txt: Shipping", "parcel"),
        ("money", "owes {d+} euros"),
    ):
        phrase = found[entry]
        assert checked[name]["train_rows"] == phrase["with_label"] + phrase["with_others"]
        assert 0 < phrase["marked"] < phrase["with_label"]
        assert checked[name]["train_precision"][1] == phrase["precision"][1] == 1.0


def test_reasons_for_answers_that_others_overruled_are_counted(services: Services, project: Project) -> None:
    task_id = next(t for t in range(1, 181) if t % 9 == 0 and splits(services, project)[t] is Split.TRAIN)
    for annotator in (8, 9):
        services.studio.submit_annotation(task_id, {"result": choice("Returns"), "completed_by": annotator})
    found = worklist(services, project)
    assert task_id not in {each["task_id"] for group in found["groups"] for each in group["examples"]}
    assert "reasons left out because others overruled the answer, or nobody agreed: 1" in found["notes"]


def test_personal_data_in_reasons_are_masked_like_those_in_texts(services: Services, project: Project) -> None:
    found = worklist(with_hook(services, Redaction("email")), project)
    shown = [each for group in found["groups"] for each in group["examples"]]
    assert shown
    assert not any(MAIL in each["words"] + each["text"] for each in shown)
    assert all("xxx@xxxxxxx.xxx" in each["words"] for each in shown)


@pytest.mark.parametrize(
    ("parts", "said", "instead"),
    [
        ((Span(0, 3, "LOC"),), (Span(0, 4, "PER"), Span(9, 12, "ORG")), "PER"),
        ((Span(0, 3, "LOC"),), (Span(9, 12, "ORG"),), ""),
        ((Span(0, 3, "LOC"),), (Span(0, 3, "LOC"), Span(9, 12, "ORG")), None),
        (("LOC",), ("ORG", "PER"), "ORG, PER"),
        (("LOC",), ("LOC", "PER"), None),
        (("LOC",), (), ""),
    ],
)
def test_what_a_model_said_instead_is_what_it_alone_said_there(parts: Any, said: Any, instead: str | None) -> None:
    given = Explanation(1, 10, "7", "control", "LOC", parts, "Why.", ())
    assert GivenReasons(prelabels={1: {"control": said}}).instead(given) == instead


class TakesAnswersOut:
    @hookimpl
    def row_read(self, row: Row) -> Row:
        return replace(row, targets={}, labels=()) if "category_reason" in row.targets else row


def test_a_hook_may_take_reasons_out(services: Services, project: Project) -> None:
    assert worklist(with_hook(services, TakesAnswersOut()), project)["groups"] == []


def test_a_config_without_a_place_for_reasons_says_so(services: Services) -> None:
    project = add_project(services, ["a bill"])
    services.studio.submit_annotation(1, {"result": choice("Billing"), "completed_by": 7})
    assert worklist(services, project)["notes"][0] == (
        "the label config has no place for reasons about 'category': a text area category_reason or labels "
        "category_evidence"
    )
