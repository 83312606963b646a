"""Tasks on which label sources contradict each other or the model come first, each with what both say."""

import re
from itertools import permutations
from pathlib import Path

import pytest

from ml_backend.domain.snapshot import SplitFractions
from ml_backend.errors import ConfigurationError
from ml_backend.workflows.selecting.select import SelectedTasks, select_from_project
from ml_backend.workflows.services import Services
from tests.services import add_project, build_test_services, choice

REASONS = """
from ml_backend.sources.writing import rationale

@rationale("Billing")
def speaks_of_a_bill(text):
    return text.mentions("bill")

@rationale("Shipping")
def awaits_a_parcel(text):
    return text.mentions("parcel")
"""
SPANS = """<View><Labels name="category" toName="text"><Label value="Billing"/><Label value="Shipping"/></Labels>
<Text name="text" value="$text"/></View>"""
SEVERAL = """<View><Text name="text" value="$text"/><Choices name="category" toName="text" choice="multiple">
<Choice value="Billing"/><Choice value="Shipping"/></Choices></View>"""
WORDS = ("card", "cash", "lost", "refund", "late", "bank", "transfer", "money", "top", "up", "where", "stolen")
DISPUTED = "the bill for a lost parcel came"
PLAIN = [
    f"{one} {('bill', 'parcel')[number % 2]} {other} {another}"
    for number, (one, other, another) in enumerate(permutations(WORDS, 3))
    if number % 66 == number // 66
]


@pytest.fixture
def services(tmp_path: Path, base: str) -> Services:
    everything = SplitFractions(1, 0, 0)
    return build_test_services(
        tmp_path, base_model=base, split=everything, select_random_share=0.0, select_count=3, runtime="torch"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "reasons.py").write_text(REASONS)
    return folder


def selected(
    services: Services, folder: Path | None, config: str | None = None, labels: tuple[str, ...] = ()
) -> SelectedTasks:
    """The choice among a disputed task and plain ones, the first of which people labeled so."""
    texts = [*PLAIN, DISPUTED]
    project = add_project(services, texts) if config is None else add_project(services, texts, label_config=config)
    for task_id, label in enumerate(labels, start=1):
        services.studio.submit_annotation(task_id, {"result": choice(label), "completed_by": 7})
    return select_from_project(services, project, strategy="sources", sources=str(folder or ""))


def test_sources_that_exclude_each_other_come_first_and_the_reason_names_both(services: Services, folder: Path) -> None:
    first, *others = selected(services, folder).tasks
    assert (first.task_id, first.strategy) == (len(PLAIN) + 1, "sources")
    assert first.reason == "`speaks_of_a_bill` says Billing, `awaits_a_parcel` says Shipping"
    assert {each.reason for each in others} == {
        "no label source contradicts another here; nothing has been learned yet"
    }


def test_a_source_that_a_sure_model_contradicts_says_what_both_say(services: Services, folder: Path) -> None:
    labels = tuple("Returns" if "bill" in text else "Shipping" for text in PLAIN[:12])
    tasks = selected(services, folder, labels=labels).tasks
    assert any(re.search(r"`\w+` says \w+, the model \w+ \(\d+%\)", each.reason) for each in tasks), tasks


def test_several_labels_contradict_no_other_and_pieces_do_where_they_overlap(services: Services, folder: Path) -> None:
    assert not any("says" in each.reason for each in selected(services, folder, SEVERAL).tasks)
    (folder / "reasons.py").write_text(REASONS.replace('"bill"', '"a lost parcel"'))
    first, *_ = selected(services, folder, SPANS).tasks
    assert first.reason == (
        "`speaks_of_a_bill` says 'a lost parcel' is Billing, `awaits_a_parcel` says 'parcel' is Shipping"
    )


def test_the_strategy_asks_for_sources_where_there_are_none(services: Services) -> None:
    with pytest.raises(ConfigurationError, match="name their folder with --sources or LABELLOOP_SOURCES"):
        selected(services, None)
