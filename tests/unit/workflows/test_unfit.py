"""Texts that fit none of the labels: among the tasks to label next, and in the report."""

import random
from pathlib import Path

from ml_backend.domain.example import SelectedBy
from ml_backend.domain.selection import SelectedTask
from ml_backend.workflows.reporting.unfit import unfit_to_json
from ml_backend.workflows.selecting.unfit import with_unfit
from ml_backend.workflows.services import Services
from tests.fakes import FakeClock
from tests.services import add_project, build_test_services, choice


def chosen(number: int, way: SelectedBy = SelectedBy.ACTIVE) -> SelectedTask:
    return SelectedTask(number, "margin", "doubt", 1 - number / 100, way)


def test_every_tenth_chosen_place_goes_to_an_unfit_text_and_random_ones_keep_theirs(services: Services) -> None:
    project = add_project(services)
    tasks = [chosen(n, SelectedBy.RANDOM if n % 5 == 0 else SelectedBy.ACTIVE) for n in range(1, 31)]
    fits = {101: 0.04, 102: 0.01, 103: 0.02, 104: 0.03, 7: 0.001, 105: 0.06}
    services.database.fits.put(project.id, "m1", fits)

    listed = with_unfit(services, project, tasks, {*range(1, 31), 101, 102, 104, 105})

    unfit = [(place, task.task_id) for place, task in enumerate(listed, start=1) if task.strategy == "unfit"]
    assert unfit == [(12, 102), (24, 104)]
    assert [task.task_id for task in listed if task.selected_by is SelectedBy.RANDOM] == [5, 10, 15, 20, 25, 30]
    assert [listed[n - 1].task_id for n in (5, 10, 15, 20, 25, 30)] == [5, 10, 15, 20, 25, 30]
    others = [task.task_id for task in listed if task.strategy != "unfit" and task.task_id % 5]
    assert others == [n for n in range(1, 29) if n % 5][:22]
    assert [task.priority for task in listed] == [task.priority for task in tasks]
    assert listed[11].reason == "fits none of the labels: at most 1.0% of labeled texts are so unlike the others"
    assert listed[11].selected_by is SelectedBy.ACTIVE


def test_without_unfit_texts_the_list_stays_as_it_is(services: Services) -> None:
    tasks = [chosen(n) for n in range(1, 31)]

    assert with_unfit(services, add_project(services), tasks, set(range(99))) == tasks


def test_the_report_counts_by_week_and_groups_what_waits(tmp_path: Path, base_model: str) -> None:
    services = build_test_services(tmp_path, base_model=base_model)
    rng = random.Random(1)
    words = [["card", "cash", "money", "bank", "refund", "transfer"], ["a", "b", "c", "d", "e", "f", "g", "h"]]
    texts = [" ".join(rng.sample(own, 5)) for own in words for _ in range(14)]
    project = add_project(services, texts)
    clock, fits = services.clock, services.database.fits
    assert isinstance(clock, FakeClock)
    fits.put(project.id, "m1", dict.fromkeys(range(1, 15), 0.01) | {100: 0.5, 101: 0.9})
    clock.advance(7 * 86400)
    fits.put(project.id, "m2", dict.fromkeys(range(15, 29), 0.02) | dict.fromkeys(range(4, 15), 0.03))
    services.studio.submit_annotation(1, {"result": choice("Billing")})
    services.studio.submit_annotation(2, {"result": [], "was_cancelled": True})
    services.studio.remove_task(3)

    found = unfit_to_json(services, project, [])

    assert (found["looked_at"], found["waiting"]) == (30, 26)
    assert found["weeks"] == [
        {"week": "2025-12-29", "texts": 16, "unfit": 14},
        {"week": "2026-01-05", "texts": 14, "unfit": 14},
    ]
    largest = found["groups"][0]
    assert largest["size"] == len(largest["task_ids"]) >= 5
    assert (len(largest["words"]), len(largest["texts"])) == (3, 2)
    assert largest["texts"] == [texts[number - 1] for number in largest["task_ids"][:2]]
    for group in found["groups"]:
        assert len({number > 14 for number in group["task_ids"]}) == 1, "one kind of text"
    assert not {1, 3} & {number for group in found["groups"] for number in group["task_ids"]}
