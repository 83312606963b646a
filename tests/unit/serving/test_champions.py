"""Which predictors are in memory, and which serve."""

import time
from collections.abc import Hashable, Mapping
from pathlib import Path

import pytest

from ml_backend.domain.ports import Predictor
from ml_backend.domain.project import Project
from ml_backend.errors import BundleError, DatabaseUnavailable
from ml_backend.serving.champions import Champions
from tests.fakes import FakePredictor, register_version
from tests.services import versions_in
from tests.unit.serving.projects import cold_start, project_of

SHARED_BYTES, OWN_BYTES = 100, 10


class Loaded(FakePredictor):
    """A predictor that holds bytes of its own beside those that all share."""

    @property
    def memory(self) -> Mapping[Hashable, int]:
        return {"base": SHARED_BYTES, self.version: OWN_BYTES}


class House:
    """Projects with a champion each.

    Attributes:
        loads: versions in the order in which they were loaded.
        broken: versions that cannot be loaded.
    """

    def __init__(self, folder: Path, limit_bytes: int = 0) -> None:
        self.folder = folder
        self.versions = versions_in(folder)
        self.loads: list[str] = []
        self.broken: set[str] = set()
        self.champions = Champions(self.versions, self._load, cold_start, memory_of=_memory_of, limit_bytes=limit_bytes)

    def project(self, number: int, *, has_champion: bool = True) -> Project:
        made = project_of(number)
        if has_champion:
            self.promote(made)
        return made

    def projects(self, count: int = 3) -> list[Project]:
        return [self.project(number) for number in range(1, count + 1)]

    def promote(self, project: Project) -> str:
        key = project.ref.key
        name = register_version(self.versions, key, run_id=f"{key}-{self.versions.next_number(key)}").name
        self.versions.serve(name)
        return name

    def in_memory(self, *projects: Project) -> list[bool]:
        return [self.champions.loaded(project) is not None for project in projects]

    def ask(self, *projects: Project) -> list[str]:
        """The versions that answer the projects, one after the other."""
        answers = []
        for project in projects:
            time.sleep(0.001)  # the clock that tells who was asked last may be coarse
            answers.append(self.champions.get(project).version)
        return answers

    def follow(self, *projects: Project) -> None:
        for project in projects:
            self.champions.follow(project)

    def _load(self, path: Path) -> Predictor:
        version = path.parent.name.replace("-1-", "-1-v").replace("-2-", "-2-v").replace("-3-", "-3-v")
        if version in self.broken:
            raise BundleError(f"{version} is damaged")
        self.loads.append(version)
        return Loaded(version, default="Billing")


def _memory_of(predictor: Predictor) -> Mapping[Hashable, int]:
    return predictor.memory if isinstance(predictor, Loaded) else {}


@pytest.fixture
def bounded(tmp_path: Path) -> House:
    """With room for two versions."""
    return House(tmp_path, SHARED_BYTES + 2 * OWN_BYTES)


def test_the_version_that_was_not_asked_for_the_longest_time_is_put_away(bounded: House) -> None:
    one, two, three = bounded.projects()

    bounded.ask(one, two, one, three)

    assert bounded.in_memory(one, two, three) == [True, False, True]


def test_a_version_that_was_put_away_is_loaded_by_its_next_request(bounded: House) -> None:
    projects = bounded.projects()

    assert bounded.ask(*projects, projects[0])[-1] == "p-1-v1"
    assert bounded.in_memory(*projects) == [True, False, True]
    assert bounded.loads == ["p-1-v1", "p-2-v1", "p-3-v1", "p-1-v1"]


def test_following_promotions_does_not_load_what_was_put_away(bounded: House) -> None:
    projects = bounded.projects()
    bounded.ask(*projects)
    newer = bounded.promote(projects[0])

    bounded.follow(*projects * 3)

    assert bounded.in_memory(*projects) == [False, True, True]
    assert len(bounded.loads) == 3
    assert bounded.ask(projects[0]) == [newer]


@pytest.mark.parametrize(("limit_bytes", "in_memory"), [(SHARED_BYTES + 2 * OWN_BYTES, 1), (0, 3)])
def test_at_the_start_only_as_many_are_loaded_as_fit_in(tmp_path: Path, limit_bytes: int, in_memory: int) -> None:
    house = House(tmp_path, limit_bytes)
    projects = house.projects()

    house.follow(*projects)

    assert house.loads == ["p-1-v1", "p-2-v1", "p-3-v1"][:in_memory]
    assert house.in_memory(*projects) == [number < in_memory for number in range(3)]


def test_one_version_is_served_however_large_it_is(tmp_path: Path) -> None:
    house = House(tmp_path, 1)
    projects = house.projects(2)

    assert house.ask(*projects) == ["p-1-v1", "p-2-v1"]
    assert house.in_memory(*projects) == [False, True]


def test_putting_away_what_others_share_anyway_is_of_no_use(tmp_path: Path) -> None:
    house = House(tmp_path, SHARED_BYTES // 2)
    house.champions._memory_of = lambda _: {"base": SHARED_BYTES}
    projects = house.projects(2)

    house.ask(*projects)

    assert house.in_memory(*projects) == [True, True]


def test_a_promotion_takes_the_place_of_what_serves(bounded: House) -> None:
    project = bounded.project(1)
    before = bounded.ask(project)
    newer = bounded.promote(project)

    bounded.follow(project)

    assert (before, newer) == (["p-1-v1"], "p-1-v2")
    assert bounded.ask(project) == [newer]


def test_a_version_that_cannot_be_loaded_leaves_the_former_one_serving(bounded: House) -> None:
    project = bounded.project(1)
    bounded.ask(project)
    newer = bounded.promote(project)
    bounded.broken.add(newer)

    bounded.follow(project)
    assert bounded.ask(project) == ["p-1-v1"]

    bounded.broken.clear()
    bounded.follow(project)
    assert bounded.ask(project) == [newer]


def test_a_project_without_a_champion_is_served_by_its_cold_start(bounded: House) -> None:
    project = bounded.project(1, has_champion=False)

    assert bounded.ask(project) == ["p-1-cold-start-0123456789ab"]
    assert bounded.loads == []


def test_while_the_database_is_away_what_served_last_goes_on_serving_and_is_loaded_again(bounded: House) -> None:
    projects = bounded.projects()
    bounded.ask(*projects)
    assert bounded.in_memory(*projects) == [False, True, True]
    stranger = bounded.project(4)
    (bounded.folder / "labelloop.db").rename(bounded.folder / "aside.db")

    assert bounded.ask(projects[0]) == ["p-1-v1"]
    with pytest.raises(DatabaseUnavailable):
        bounded.ask(stranger)
