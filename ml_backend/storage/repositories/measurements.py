"""Store what versions answered to held-out rows, what was measured by that, and how two versions compare."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Column, Index, Integer, LargeBinary, RowMapping, Table, insert, select

from ...domain.job import JobState
from .base import Repository, String, UtcDateTime, metadata
from .jobs import jobs

__all__ = ["MeasurementRepository"]

measurements = Table(
    "measurements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_key", String(255), nullable=False),
    Column("version", String(255), nullable=False),
    Column("snapshot_id", String(64), nullable=False),
    Column("split", String(16), nullable=False),
    # What lists show, apart from the rest, which grows with the number of labels.
    Column("summary", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("answers", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("uq_measurements_version", "project_key", "version", "snapshot_id", "split", unique=True),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_key", String(255), nullable=False),
    Column("champion", String(255), nullable=False),
    Column("challenger", String(255), nullable=False),
    Column("snapshot_id", String(64), nullable=False),
    Column("figures", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_comparisons_project_key", "project_key", "champion", "challenger"),
)


class MeasurementRepository(Repository):
    """Holds one measurement per version, snapshot and split, the newest; and every comparison."""

    def keep(
        self,
        project_key: str,
        version: str,
        snapshot_id: str,
        split: str,
        *,
        summary: Mapping[str, Any],
        figures: Mapping[str, Any],
        answers: bytes,
    ) -> None:
        """Store a measurement, in place of an earlier one on the same rows.

        Args:
            summary: the figures that lists show, a JSON object.
            figures: all of them.
            answers: of each row, as `held_out_answers` writes them.
        """
        place = {"project_key": project_key, "version": version, "snapshot_id": snapshot_id, "split": split}
        values = {"summary": dict(summary), "figures": dict(figures), "answers": answers, "created_at": self._now()}
        statement = self._insert(measurements).values(**place, **values)
        self._write(statement.on_conflict_do_update(index_elements=list(place), set_=values))

    def summaries(self, project_key: str) -> Sequence[RowMapping]:
        """Return `version`, `snapshot_id`, `split` and `summary` of a project's measurements, newest first."""
        columns = measurements.c
        chosen = select(columns.version, columns.snapshot_id, columns.split, columns.summary, columns.created_at)
        return self._rows(chosen.where(columns.project_key == project_key).order_by(columns.id.desc()))

    def find(self, project_key: str, version: str, snapshot_id: str, split: str) -> Mapping[str, Any] | None:
        """Return a measurement as it was given to `keep`; None where there is none."""
        columns = measurements.c
        statement = select(measurements).where(
            columns.project_key == project_key,
            columns.version == version,
            columns.snapshot_id == snapshot_id,
            columns.split == split,
        )
        return next(map(dict, self._rows(statement)), None)

    def add_comparison(
        self, project_key: str, champion: str, challenger: str, snapshot_id: str, figures: Mapping[str, Any]
    ) -> None:
        """Store how two versions compare on the test rows of a snapshot."""
        names = {"project_key": project_key, "champion": champion, "challenger": challenger}
        values = {**names, "snapshot_id": snapshot_id, "figures": dict(figures), "created_at": self._now()}
        self._write(insert(comparisons).values(values))

    def comparison(self, project_key: str, first: str, second: str, snapshot_id: str) -> Mapping[str, Any] | None:
        """Return how two versions compared last on a snapshot, whichever was the champion; None: nobody compared."""
        columns, both = comparisons.c, (first, second)
        statement = select(comparisons).where(
            columns.project_key == project_key,
            columns.champion.in_(both),
            columns.challenger.in_(both),
            columns.snapshot_id == snapshot_id,
        )
        return next(map(dict, self._rows(statement.order_by(columns.id.desc()).limit(1))), None)

    def training_seconds(self, project_id: int) -> Mapping[str, float]:
        """Return how long trainings took, by the version that each made."""
        # Picked in Python: PostgreSQL refuses to look into JSON that quotes a task's NUL or half a surrogate pair.
        statement = select(jobs.c.result).where(
            jobs.c.project_id == project_id, jobs.c.kind == "train", jobs.c.state == JobState.SUCCEEDED
        )
        results = [row["result"] for row in self._rows(statement)]
        return {each["model_version"]: each["seconds"] for each in results if each.get("seconds") is not None}
