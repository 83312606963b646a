"""Projects that were connected or seen at `/setup`."""

import dataclasses
import json
from collections.abc import Sequence

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    RowMapping,
    Table,
    false,
    insert,
    select,
    update,
)

from ...domain.project import Project, SeenConfig
from ...domain.snapshot import SplitFractions, SplitRule
from ...errors import ProjectNotFound
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["ProjectRepository"]

label_configs = Table(
    "label_configs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False, index=True),
    Column("fingerprint", String(64), nullable=False),
    Column("label_config", Text, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    # False for those from before migration 0008, which may come from events.
    Column("is_confirmed", Boolean, nullable=False, server_default=false()),
)

projects = Table(
    "projects",
    metadata,
    Column("id", StudioId, primary_key=True, autoincrement=False),
    Column("slug", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("label_config", Text, nullable=False),
    Column("label_config_fingerprint", String(64), nullable=False),
    Column("split", String(64), nullable=False),
    Column("backend_id", StudioId),
    Column("connected_at", UtcDateTime, nullable=False),
    # That of projects from before migration 0014 is "text".
    Column("split_rule", String(16), nullable=False, server_default="text"),
    # A JSON list of the names.
    Column("fields", Text, nullable=False, server_default="[]"),
)


class ProjectRepository(Repository):
    """Slug, split, its rule and fields are written once, when the project is added; the rest may change."""

    def find(self, project_id: int) -> Project | None:
        """The project, or None."""
        return next(map(_project, self._rows(select(projects).where(projects.c.id == project_id))), None)

    def get(self, project_id: int) -> Project:
        """The project.

        Raises:
            ProjectNotFound: it was never connected.
        """
        project = self.find(project_id)
        if project is None:
            raise ProjectNotFound(
                f"project {project_id} is not connected to this backend; run `labelloop connect {project_id}`"
            )
        return project

    def all(self) -> list[Project]:
        """All projects by id."""
        return [_project(row) for row in self._rows(select(projects).order_by(projects.c.id))]

    def add(
        self,
        project_id: int,
        *,
        slug: str,
        title: str,
        label_config: str,
        fingerprint: str,
        split: SplitFractions,
        split_rule: SplitRule = SplitRule.GROUP,
        fields: Sequence[str] = (),
    ) -> Project:
        """The project, added unless it is there already."""
        statement = self._insert(projects).values(
            id=project_id,
            slug=slug,
            title=title,
            label_config=label_config,
            label_config_fingerprint=fingerprint,
            split=str(split),
            split_rule=split_rule.value,
            fields=json.dumps(list(fields)),
            connected_at=self._now(),
        )
        with self._engine.begin() as connection:
            if connection.execute(statement.on_conflict_do_nothing().returning(projects.c.id)).first():
                self._add_config(connection, project_id, label_config, fingerprint)
        return self.get(project_id)

    def set_label_config(self, project_id: int, label_config: str, fingerprint: str) -> None:
        """Remember the label config as it is now, and when it became another one by its fingerprint."""
        is_another = (projects.c.id == project_id) & (projects.c.label_config_fingerprint != fingerprint)
        with self._engine.begin() as connection:
            values = {"label_config": label_config, "label_config_fingerprint": fingerprint}
            if connection.execute(update(projects).where(is_another).values(values)).rowcount:
                self._add_config(connection, project_id, label_config, fingerprint)
            else:
                connection.execute(update(projects).where(projects.c.id == project_id).values(values))

    def label_configs(self, project_id: int) -> list[SeenConfig]:
        """The label configs that the project has had, oldest first; of those that differ in layout alone, the first."""
        statement = select(label_configs).where(label_configs.c.project_id == project_id).order_by(label_configs.c.id)
        names = [field.name for field in dataclasses.fields(SeenConfig)]
        return [SeenConfig(**{name: row[name] for name in names}) for row in self._rows(statement)]

    def set_title(self, project_id: int, title: str) -> None:
        """Remember the title as it is now."""
        self._write(update(projects).where(projects.c.id == project_id).values(title=title))

    def set_backend(self, project_id: int, backend_id: int) -> None:
        """Remember under which id Label Studio knows this backend."""
        self._write(update(projects).where(projects.c.id == project_id).values(backend_id=backend_id))

    def _add_config(self, connection: Connection, project_id: int, label_config: str, fingerprint: str) -> None:
        connection.execute(
            insert(label_configs).values(
                project_id=project_id,
                fingerprint=fingerprint,
                label_config=label_config,
                seen_at=self._now(),
                is_confirmed=True,
            )
        )


def _project(row: RowMapping) -> Project:
    split, rule = SplitFractions.parse(row["split"]), SplitRule(row["split_rule"])
    fields = tuple(json.loads(row["fields"]))
    return Project(**dict(row) | {"split": split, "split_rule": rule, "fields": fields})
