"""Settings that projects have for themselves: the values that hold, and every change."""

from collections.abc import Sequence

from sqlalchemy import Column, Index, Integer, RowMapping, Table, delete, insert, select

from ...domain.project_setting import ProjectSetting, SettingOrigin
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["ProjectSettingRepository"]

settings = Table(
    "project_settings",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("origin", String(16), primary_key=True),
    Column("value", Text, nullable=False),
    Column("by", String(255), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
changes = Table(
    "project_setting_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("name", String(64), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("before", Text),
    Column("value", Text),
    Column("by", String(255), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_project_setting_changes_project_id", "project_id", "id"),
)


class ProjectSettingRepository(Repository):
    """The values by project, name and origin. Changes are never forgotten."""

    def all(self, project_id: int) -> list[ProjectSetting]:
        """Return the values that a project has."""
        statement = select(settings).where(settings.c.project_id == project_id)
        return [_setting(row) for row in self._rows(statement.order_by(settings.c.name, settings.c.origin))]

    def put(self, project_id: int, name: str, value: str | None, *, origin: SettingOrigin, by: str) -> bool:
        """Set a value, or take it back, and keep the change; return False where there is nothing to change.

        Args:
            value: None to take it back.
        """
        own = {"project_id": project_id, "name": name, "origin": origin.value}
        is_own = [settings.c[column] == each for column, each in own.items()]
        now = {"by": by[:255], "at": self._now()}
        with self._engine.begin() as connection:
            before = connection.execute(select(settings.c.value).where(*is_own).with_for_update()).scalar()
            if before == value:
                return False
            if value is None:
                connection.execute(delete(settings).where(*is_own))
            else:
                added = self._insert(settings).values(own | now | {"value": value})
                new = {column: added.excluded[column] for column in ("value", "by", "at")}
                connection.execute(added.on_conflict_do_update(index_elements=list(own), set_=new))
            connection.execute(insert(changes).values(own | now | {"value": value, "before": before}))
        return True

    def changes(self, project_id: int, *, limit: int) -> Sequence[ProjectSetting]:
        """Return the changes of a project's values, newest first."""
        statement = select(changes).where(changes.c.project_id == project_id).order_by(changes.c.id.desc())
        return [_setting(row) for row in self._rows(statement.limit(limit))]


def _setting(row: RowMapping) -> ProjectSetting:
    return ProjectSetting(
        row["name"], row["value"], SettingOrigin(row["origin"]), row["by"], row["at"], row.get("before")
    )
