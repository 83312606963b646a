import dataclasses
from datetime import timedelta

import pytest

from ml_backend.domain.project import Project, SeenConfig
from ml_backend.domain.snapshot import SplitFractions, SplitRule
from ml_backend.errors import ProjectNotFound
from ml_backend.storage.database import Database
from tests.fakes import FakeClock


def add(database: Database, project_id: int = 7, slug: str = "tickets", split: SplitFractions | None = None) -> Project:
    return database.projects.add(
        project_id,
        slug=slug,
        title="Tickets – Zürich",
        label_config="<View/>",
        fingerprint="abcabcabcabc",
        split=split or SplitFractions(),
    )


def test_a_project_is_kept_as_it_was_added(database: Database, clock: FakeClock) -> None:
    project = add(database, split=SplitFractions(0.98, 0.01, 0.01))
    assert project == Project(
        id=7,
        slug="tickets",
        title="Tickets – Zürich",
        label_config="<View/>",
        label_config_fingerprint="abcabcabcabc",
        split=SplitFractions(0.98, 0.01, 0.01),
        connected_at=clock(),
        split_rule=SplitRule.GROUP,
    )
    assert project.connected_at.utcoffset() == timedelta(0)
    assert database.projects.find(7) == project


def test_a_project_that_is_added_twice_keeps_its_slug_split_and_one_label_config(
    database: Database, clock: FakeClock
) -> None:
    first = add(database)
    clock.advance(60)
    assert add(database, slug="other", split=SplitFractions(1, 0, 0)) == first
    assert len(database.projects.label_configs(7)) == 1


def test_config_title_and_backend_of_a_project_may_change(database: Database) -> None:
    project, other = add(database), add(database, 8)
    database.projects.set_label_config(7, "<View><Text/></View>", "ffffffffffff")
    database.projects.set_title(7, "Mails")
    database.projects.set_backend(7, 3)
    assert database.projects.get(7) == dataclasses.replace(
        project,
        label_config="<View><Text/></View>",
        label_config_fingerprint="ffffffffffff",
        title="Mails",
        backend_id=3,
    )
    assert database.projects.get(8) == other


def test_label_configs_are_kept_in_the_order_in_which_they_came(database: Database, clock: FakeClock) -> None:
    add(database), add(database, 8)
    began = clock()
    for seconds, config, fingerprint in (
        (60, "<View>2</View>", "22"),
        (60, "<View>3</View>", "22"),
        (60, "<A/>", "33"),
    ):
        clock.advance(seconds)
        database.projects.set_label_config(7, config, fingerprint)
    clock.advance(60)
    database.projects.set_label_config(7, "<View/>", "abcabcabcabc")

    assert database.projects.label_configs(7) == [
        SeenConfig("<View/>", "abcabcabcabc", began),
        SeenConfig("<View>2</View>", "22", began + timedelta(seconds=60)),
        SeenConfig("<A/>", "33", began + timedelta(seconds=180)),
        SeenConfig("<View/>", "abcabcabcabc", began + timedelta(seconds=240)),
    ]
    assert [each.fingerprint for each in database.projects.label_configs(8)] == ["abcabcabcabc"]
    assert database.projects.label_configs(9) == []


def test_projects_are_listed_by_id(database: Database) -> None:
    assert [add(database, project_id).id for project_id in (9, 7, 8)] == [9, 7, 8]
    assert [project.id for project in database.projects.all()] == [7, 8, 9]


def test_a_project_that_was_never_connected_is_not_found(database: Database) -> None:
    assert database.projects.find(7) is None
    with pytest.raises(ProjectNotFound, match="run `labelloop connect 7`"):
        database.projects.get(7)
