import dataclasses
from datetime import timedelta

import pytest

from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.errors import ProjectNotFound
from ml_backend.storage import Database
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
    )
    assert project.connected_at.utcoffset() == timedelta(0)
    assert database.projects.find(7) == project


def test_slug_and_split_of_a_project_never_change(database: Database, clock: FakeClock) -> None:
    first = add(database)
    clock.advance(60)
    assert add(database, slug="other", split=SplitFractions(1, 0, 0)) == first


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


def test_projects_are_listed_by_id(database: Database) -> None:
    assert [add(database, project_id).id for project_id in (9, 7, 8)] == [9, 7, 8]
    assert [project.id for project in database.projects.all()] == [7, 8, 9]


def test_a_project_that_was_never_connected_is_not_found(database: Database) -> None:
    assert database.projects.find(7) is None
    with pytest.raises(ProjectNotFound, match="run `labelloop connect 7`"):
        database.projects.get(7)
