"""An audit of labels: what may be wrong with the reviewed rows of a snapshot."""

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...atomic_files import atomic_text
from ...domain.example import Row, first_rows
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.quality import Audit
from ...domain.snapshot import Snapshot, Split
from ...errors import UnsupportedLabelConfig
from ...labelstudio.plans import plan_of
from ...snapshots.store import SnapshotFolder
from ..exporting.reading_faults import reading_faults
from ..services import Services
from .decisions import precision_table

if TYPE_CHECKING:
    from ...quality.precision import KindPrecision

__all__ = ["PUSH_STARTS", "AuditFiles", "AuditReports", "audit_snapshot"]

# Shares of the progress bar, from rough shares of the time.
JUDGING_STARTS, EXAMINING_STARTS, PUSH_STARTS = 0.05, 0.7, 0.8
FROZEN = "logistic regression on frozen features of {base_model}, {folds} folds"
DEEP = "LoRA of {base_model}, trained anew in each of {folds} folds"


class AuditFiles:
    """The files that an audit leaves for people and programs.

    Attributes:
        folder: also holds what an audit keeps for the next one of the same snapshot.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.json, self.csv, self.html = (folder / f"audit.{ending}" for ending in ("json", "csv", "html"))

    @classmethod
    def of(cls, services: Services, snapshot: Snapshot) -> "AuditFiles":
        """Return where audits of the snapshot write their files."""
        return cls(services.options.home / "audits" / snapshot.manifest.project.key / snapshot.id)

    @classmethod
    def latest(cls, services: Services, project: Project) -> "AuditFiles | None":
        """Return the files of the project's last audit on this machine; None where there was none."""
        folder = services.options.home / "audits" / project.ref.key
        audits = [each for each in map(cls, folder.glob("*")) if each.json.is_file()]
        return max(audits, key=lambda each: each.json.stat().st_mtime, default=None)

    @property
    def cache(self) -> Path:
        """The folder for what models predicted."""
        return self.folder / "cache"


def audit_snapshot(
    services: Services,
    snapshot: Snapshot,
    *,
    is_deep: bool = False,
    base_model: str | None = None,
    report: ProgressCallback = Progress.ignore,
) -> Audit:
    """Find what may be wrong with the labels of a snapshot, in all its splits.

    The probabilities are kept below the home folder: a second audit of the same snapshot takes them from there, and
    one that was stopped is resumed.

    Args:
        base_model: None: that of the settings.

    Raises:
        SnapshotError: it is damaged.
        UnsupportedLabelConfig: no control is answered with labels.
        EncoderError: the base model cannot be loaded.
        TrainingError: LoRA cannot be trained on it.
    """
    from ...quality.examine import examine
    from ...quality.out_of_sample import audit_settings, predict_out_of_sample
    from ...quality.reviewed_texts import ReviewedTexts

    began_s = time.monotonic()
    base_model = base_model or services.options.models.base_model
    plan = plan_of(snapshot.manifest)
    if not plan.labeled:
        raise UnsupportedLabelConfig(
            "an audit judges labels, and this label config asks for texts alone; compare versions with "
            "`labelloop models compare`, which shows what they write"
        )
    rows, splits = _rows(snapshot)
    settings = audit_settings(is_deep=is_deep, seed=services.options.seed)

    waiting = Progress(JUDGING_STARTS, "waiting", "another audit of the same project is running")
    # Two processes must not write the same cache at the same time; the second finds it filled.
    with services.database.locks.held(f"audit-{snapshot.manifest.project.key}", partial(report, waiting)):
        features, predictions = predict_out_of_sample(
            [ReviewedTexts.of(rows, served) for served in plan.labeled],
            settings,
            base_model=base_model,
            cache=AuditFiles.of(services, snapshot).cache,
            report=Progress.share_of(report, JUDGING_STARTS, EXAMINING_STARTS),
            share=services.share,
        )
    report(Progress(EXAMINING_STARTS, "examining", f"looking at {len(rows)} rows"))
    audit = examine(
        rows,
        splits,
        predictions,
        features,
        snapshot_id=snapshot.id,
        probabilities_from=(DEEP if is_deep else FROZEN).format(base_model=base_model, folds=settings.folds),
    )
    unread = reading_faults(
        plan,
        [(row.task_id, row.text) for row in rows],
        base_model=base_model,
    )
    warnings = (*map(str, unread), *audit.warnings)
    return replace(audit, seconds=time.monotonic() - began_s, warnings=warnings)


class AuditReports:
    """Writes the files of an audit."""

    def __init__(self, services: Services, project: Project | None, snapshot: Snapshot, audit: Audit) -> None:
        self.files = AuditFiles.of(services, snapshot)
        self._services, self._project, self._snapshot, self._audit = services, project, snapshot, audit
        self._controls = plan_of(snapshot.manifest).config.controls
        self._texts = {row.task_id: row.text for row in _rows(snapshot)[0]}

    def precision(self) -> list["KindPrecision"]:
        """Return how often the project's past flags were right; empty for rows of a file."""
        return precision_table(self._services, self._project) if self._project else []

    def write(self) -> None:
        """Write all of them, each whole or not at all."""
        from ...quality.html_report import html_report
        from ...quality.report import audit_to_json, write_csv

        with atomic_text(self.files.json) as file:
            # Escaped, because half a surrogate pair, which a text or label may hold, has no other form in UTF-8.
            json.dump(audit_to_json(self._audit), file, indent=1)
        with atomic_text(self.files.csv) as file:
            write_csv(self._audit, self._texts, file, self._controls)
        page = html_report(
            self._audit,
            self._texts,
            self._controls,
            title=self._project.title if self._project else self._snapshot.manifest.project.slug,
            project_url=f"{self._services.studio.url}/projects/{self._project.id}" if self._project else None,
            precision=self.precision(),
        )
        with atomic_text(self.files.html) as file:
            file.write(page)


def _rows(snapshot: Snapshot) -> tuple[list[Row], list[Split]]:
    """Return all rows and the split of each, those without an agreed answer at the end."""
    rows, splits = [], []
    for split in Split:
        # Further responses to a prompt hold no label.
        for row in first_rows(SnapshotFolder(snapshot.path).rows(split)).values():
            rows.append(row)
            splits.append(split)
    moved = SnapshotFolder(snapshot.path).moved()
    for row in SnapshotFolder(snapshot.path).unresolved():
        rows.append(row)
        splits.append(moved.get(row.task_id) or snapshot.manifest.split.split_of(row.text))
    return rows, splits
