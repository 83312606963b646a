"""An audit of labels: what may be wrong with the reviewed rows of a snapshot."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...atomic_files import atomic_text
from ...domain.example import Row
from ...domain.model import HeadKind
from ...domain.progress import Progress, ProgressCallback, ignore_progress, share_of
from ...domain.project import Project
from ...domain.quality import Audit
from ...domain.snapshot import Snapshot, Split, split_of
from ...errors import UnsupportedLabelConfig
from ...labelstudio.label_config_xml import parse_label_config
from ...snapshots.store import read_moved, read_rows, read_unresolved
from ...tasks import ServedControl, ServingPlan, serving_plan
from ..exporting.reading_faults import reading_faults, row_texts
from ..services import Services
from .decisions import precision_table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...quality.cross_predict import CrossPredictedRows
    from ...quality.judge_controls import Judgement
    from ...quality.precision import KindPrecision
    from ...quality.predictions import OutOfSamplePredictions

__all__ = [
    "AUDIT_CSV",
    "AUDIT_HTML",
    "AUDIT_JSON",
    "PUSH_STARTS",
    "AuditReports",
    "audit_folder",
    "audit_snapshot",
    "opinion_of",
]

# Shares of the progress bar, from rough shares of the time.
JUDGING_STARTS, EXAMINING_STARTS, PUSH_STARTS = 0.05, 0.7, 0.8
AUDIT_JSON, AUDIT_CSV, AUDIT_HTML = "audit.json", "audit.csv", "audit.html"
FROZEN = "logistic regression on frozen features of {base_model}, {folds} folds"
DEEP = "LoRA of {base_model}, trained anew in each of {folds} folds"


def audit_folder(services: Services, snapshot: Snapshot) -> Path:
    """Folder of what an audit of the snapshot gives and keeps."""
    return services.options.home / "audits" / snapshot.manifest.project.key / snapshot.id


def audit_snapshot(
    services: Services,
    snapshot: Snapshot,
    *,
    is_deep: bool = False,
    base_model: str | None = None,
    report: ProgressCallback = ignore_progress,
) -> Audit:
    """What may be wrong with the labels of a snapshot, in all its splits.

    The probabilities are kept below the home folder: a second audit of the same snapshot takes them from there, and
    one that was stopped is gone on with.

    Args:
        base_model: None: that of the settings.

    Raises:
        SnapshotError: it is damaged.
        UnsupportedLabelConfig: no control is answered with labels.
        EncoderError: the base model cannot be loaded.
        TrainingError: LoRA cannot be trained on it.
    """
    from ...quality.examine import examine
    from ...quality.judge_controls import audit_settings

    began_s = time.monotonic()
    base_model = base_model or services.options.models.base_model
    plan = serving_plan(parse_label_config(snapshot.manifest.label_config))
    if not plan.labeled:
        raise UnsupportedLabelConfig(
            "an audit judges labels, and this label config asks for texts alone; compare versions with "
            "`labelloop models compare`, which shows what they write"
        )
    rows, splits = _rows(snapshot, plan)

    def report_waiting() -> None:
        report(Progress(JUDGING_STARTS, "waiting", "another audit of the same project is running"))

    # Two processes must not write the same cache at the same time; the second finds it filled.
    with services.database.locks.held(f"audit-{snapshot.manifest.project.key}", report_waiting):
        judged, came_from = _judged(services, snapshot, rows, plan, base_model, is_deep=is_deep, report=report)
    report(Progress(EXAMINING_STARTS, "examining", f"looking at {len(rows)} rows"))
    opinions = [opinion_of(*each) for each in zip(plan.labeled, judged.controls, strict=True)]
    findings = examine(rows, splits, opinions, judged.features)
    unread = reading_faults(
        plan,
        row_texts(rows, plan),
        base_model=base_model,
        max_length_tokens=audit_settings(is_deep=is_deep, seed=services.options.seed).max_length_tokens,
    )
    return findings.audit(
        snapshot_id=snapshot.id,
        seconds=time.monotonic() - began_s,
        probabilities_from=came_from,
        warnings=[str(fault) for fault in unread],
    )


class AuditReports:
    """The files that an audit leaves for people and programs."""

    def __init__(self, services: Services, project: Project | None, snapshot: Snapshot, audit: Audit) -> None:
        self.folder = audit_folder(services, snapshot)
        self._services, self._project, self._snapshot, self._audit = services, project, snapshot, audit
        plan = serving_plan(parse_label_config(snapshot.manifest.label_config))
        self._texts = {row.task_id: row.input.get(plan.field, "") for row in _rows(snapshot, plan)[0]}

    def precision(self) -> list["KindPrecision"]:
        """Of the project's past flags, as far as decisions have been learned; empty for rows of a file."""
        return precision_table(self._services, self._project) if self._project else []

    def write(self) -> None:
        """Write all of them, each whole or not at all."""
        from ...quality.html_report import html_report
        from ...quality.report import audit_to_json, write_csv

        with atomic_text(self.folder / AUDIT_JSON) as file:
            # Escaped, because half a surrogate pair, which a text or label may hold, has no other form in UTF-8.
            json.dump(audit_to_json(self._audit), file, indent=1)
        with atomic_text(self.folder / AUDIT_CSV) as file:
            write_csv(self._audit, self._texts, file)
        page = html_report(
            self._audit,
            self._texts,
            title=self._project.title if self._project else self._snapshot.manifest.project.slug,
            project_url=f"{self._services.studio.url}/projects/{self._project.id}" if self._project else None,
            precision=self.precision(),
        )
        with atomic_text(self.folder / AUDIT_HTML) as file:
            file.write(page)


def _rows(snapshot: Snapshot, plan: ServingPlan) -> tuple[list[Row], list[Split]]:
    """All rows and the split of each, those without an agreed answer at the end."""
    rows, splits = [], []
    for split in Split:
        for row in read_rows(snapshot.path, split):
            rows.append(row)
            splits.append(split)
    moved = read_moved(snapshot.path)
    for row in read_unresolved(snapshot.path):
        rows.append(row)
        splits.append(moved.get(row.task_id) or split_of(row.input.get(plan.field, ""), snapshot.manifest.split))
    return rows, splits


def _judged(
    services: Services,
    snapshot: Snapshot,
    rows: Sequence[Row],
    plan: ServingPlan,
    base_model: str,
    *,
    is_deep: bool,
    report: ProgressCallback,
) -> tuple["Judgement", str]:
    """What models say of the rows, and what these models are."""
    from ...quality.judge_controls import audit_settings, judge_controls
    from ...quality.reviewed_texts import ReviewedTexts

    settings = audit_settings(is_deep=is_deep, seed=services.options.seed)
    judged = judge_controls(
        [ReviewedTexts.of(rows, served) for served in plan.labeled],
        settings,
        base_model=base_model,
        cache=audit_folder(services, snapshot) / "cache",
        report=share_of(report, JUDGING_STARTS, EXAMINING_STARTS),
        trust={HeadKind.SOFTMAX: _trust},
    )
    return judged, (DEEP if is_deep else FROZEN).format(base_model=base_model, folds=settings.folds)


def opinion_of(served: ServedControl, judged: "CrossPredictedRows") -> "OutOfSamplePredictions":
    """What models say of the answers to a control, as an examination is given it."""
    import numpy as np

    from ...quality.predictions import OutOfSamplePredictions, Tagging

    tagging = None
    if judged.head is HeadKind.TAGS:
        tagging = Tagging(judged.reading, np.asarray(judged.codes, dtype=np.int64))
    return OutOfSamplePredictions(served.control, judged.head, judged.probabilities, tagging)


def _trust(judged: "CrossPredictedRows") -> "npt.NDArray[np.float64]":
    """How far to believe single choices; of the other kinds a second round finds no more errors than the first."""
    import numpy as np

    from ...quality.label_errors import trust

    return trust(np.where(judged.is_usable, judged.codes, -1).astype(np.int64), judged.probabilities)
