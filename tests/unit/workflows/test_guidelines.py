"""Guidelines for annotators from label sources: what they say, of which tasks, and that no text breaks the page."""

from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.hooks.redaction import Redaction
from ml_backend.workflows.services import Services
from ml_backend.workflows.sourcing.guidelines import annotation_guidelines
from ml_backend.workflows.sourcing.markdown import guidelines_page
from ml_backend.workflows.sourcing.read import read_texts
from ml_backend.workflows.splits import splits_of
from tests.services import add_project, build_test_services, choice, with_hook

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="category" toName="text" choice="single">
    <Choice value="Billing" hint="Money."/><Choice value="Shipping"/><Choice value="Returns"/>
  </Choices>
</View>"""
SOURCES = """
from ml_backend.sources.writing import rationale

@rationale("Billing", by="Ada", when="2026-11-30")
def pays(text):
    '''They *name* a bill.'''
    return text.mentions("bill").affirmed()

@rationale("Returns")
def wrong(text):
    return text.mentions("parcel")
"""
WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
TASKS = 120
HOSTILE = "<script>alert(1)</script>\n# bill [x](http://a.example) | `code` www.b.example c@d.example"


@pytest.fixture
def services(tmp_path: Path, base_model: str) -> Services:
    return build_test_services(tmp_path, base_model=base_model)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "reasons.py").write_text(SOURCES)
    return folder


@pytest.fixture
def project(services: Services) -> Project:
    """Bills, parcels and parcels without a bill in turn; every twelfth bill is a matter of shipping."""
    things = ("bill", "parcel", "no bill, parcel")
    texts = [f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {things[i % 3]} {i}" for i in range(TASKS)] + [HOSTILE]
    project = add_project(services, texts, label_config=CONFIG)
    for task_id in range(1, TASKS + 2):
        is_bill = (task_id % 3 == 1 and task_id % 12 != 1) or task_id > TASKS
        services.studio.submit_annotation(task_id, {"result": choice("Billing" if is_bill else "Shipping")})
    return project


def train_tasks(services: Services, project: Project) -> set[int]:
    tasks = {task_id: task["data"]["text"] for task_id, task in services.studio.tasks.items()}
    splits = splits_of(services, project, list(tasks.values()))
    return {task_id for task_id, split in zip(tasks, splits, strict=True) if split is Split.TRAIN}


def guidelines(services: Services, project: Project, folder: Path) -> dict[str, Any]:
    return annotation_guidelines(services, folder, read_texts(services, folder, project, labeled_alone=True))


def test_a_reason_comes_with_examples_near_misses_and_what_it_is_not_meant_for(
    services: Services, project: Project, folder: Path
) -> None:
    (control,) = guidelines(services, project, folder)["controls"]
    billing, shipping, returns = control["labels"]
    (reason,) = billing["reasons"]
    assert (billing["hint"], reason["reason"], reason["by"]) == ("Money.", "They *name* a bill.", "Ada")
    assert [each["given"] for each in reason["examples"]] == ["Billing"] * 3
    assert [each["given"] for each in reason["near_misses"]] == ["Shipping"] * 2
    assert all("no bill" not in each["text"] for each in reason["near_misses"])
    assert ["no bill" in each["text"] for each in reason["negated"]] == [True, True]
    assert (shipping["reasons"], returns["reasons"], control["off"]) == ([], [], ["wrong"])
    shown = {each["task_id"] for kind in ("examples", "near_misses", "negated") for each in reason[kind]}
    assert shown <= train_tasks(services, project)


def test_what_a_model_confuses_and_no_source_covers_is_still_open(
    services: Services, project: Project, folder: Path
) -> None:
    """Whether a bill is a matter of shipping cannot be told from the texts, and no source gives Shipping."""
    train = train_tasks(services, project)
    (control,) = guidelines(services, project, folder)["controls"]
    pair = next(each for each in control["confused"] if (each["given"], each["answered"]) == ("Shipping", "Billing"))
    assert 2 <= pair["uncovered"] == pair["count"] <= len(train)
    assert {each["task_id"] for each in pair["examples"]} <= train
    (folder / "more.py").write_text(
        "from ml_backend.sources.writing import rationale\n\n"
        "@rationale('Shipping')\ndef other(text):\n    return 'parcel' in text or 'bill' in text\n"
    )
    (control,) = guidelines(services, project, folder)["controls"]
    assert not [each for each in control["confused"] if each["given"] == "Shipping"]


def test_no_text_poses_as_part_of_the_page(services: Services, project: Project, folder: Path) -> None:
    found = guidelines(services, project, folder)
    example = found["controls"][0]["labels"][0]["reasons"][0]["examples"][0]
    example["text"] = HOSTILE + "\u202e\ud800"
    page = guidelines_page(found, "1. <b>T</b>", "2026-11-30")
    assert "# 1\\. &lt;b&gt;T&lt;/b&gt;: how to label" in page
    assert "**They \\*name\\* a bill.** (Ada, 2026-11-30)" in page
    (line,) = [line for line in page.splitlines() if "alert" in line]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\# bill \\[x\\](http\\:\\/\\/a.example) \\| \\`code\\`" in line
    assert "www\\.b.example c\\@d.example" in line
    assert "\u202e" not in page
    page.encode()


def test_personal_data_are_masked_as_in_exports(services: Services, project: Project, folder: Path) -> None:
    texts = [f"bill {letter}@b.de" for letter in "cdefghij"]
    mail = next(t for t, split in zip(texts, splits_of(services, project, texts), strict=True) if split is Split.TRAIN)
    services.studio.replace_data(1, {"text": mail})
    page = guidelines_page(guidelines(with_hook(services, Redaction("email")), project, folder), "Tickets", "today")
    assert "“bill x\\@x.xx” (task 1): Shipping" in page


def test_with_few_labels_nothing_is_said_of_what_is_confused(services: Services, folder: Path) -> None:
    project = add_project(services, ["a bill"], label_config=CONFIG)
    services.studio.submit_annotation(1, {"result": choice("Billing")})
    found = guidelines(services, project, folder)
    assert found["controls"][0]["confused"] == []
    assert (
        "what is confused about 'category' is not known: it takes 40 labeled train rows, of several labels"
        in found["notes"]
    )
