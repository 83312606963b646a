"""Write the rows of a snapshot into one archive, in any export format: what the page hands out as a download."""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...atomic_files import atomic_file, unfinished_folder
from ...domain.project import Project
from ...domain.readable import listed
from ...domain.snapshot import Snapshot
from ...errors import ConfigurationError
from ...exporters.base import Exporter, ExportRequest
from ...labelstudio.plans import plan_of
from ..services import Services
from .formats import ExportReport, export_rows_of_snapshot

__all__ = ["archive_path", "export_archive", "export_choices"]

ABOUT = "export.json"
UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
LONGEST_NAME = 40


def export_choices(snapshot: Snapshot) -> list[dict[str, str]]:
    """Return what a snapshot can be exported as.

    Returns:
        Objects with `format`, `control` (empty where a format carries all of them), `description` and `limits`.
    """
    controls = plan_of(snapshot.manifest).controls
    choices = []
    for name in Exporter.names():
        exporter = Exporter.named(name)
        for control in [each.name for each in controls] if exporter.carries_one_control else [""]:
            try:
                exporter.check(ExportRequest(name, control, controls=controls))
            except ConfigurationError:
                continue
            about = {"description": exporter.description, "limits": exporter.limits}
            choices.append({"format": name, "control": control, **about})
    return choices


def archive_path(services: Services, project: Project, snapshot: Snapshot, format_name: str, control: str) -> Path:
    """Return where the archive of an export lies, or would lie, below the home folder.

    Raises:
        ConfigurationError: the snapshot cannot be exported so.
    """
    choices = export_choices(snapshot)
    if not any((each["format"], each["control"]) == (format_name, control) for each in choices):
        found = f"format {format_name!r}" + (f" of {control!r}" if control else "")
        wanted = listed((f"{each['format']} {each['control']}".strip() for each in choices), 20)
        raise ConfigurationError(f"{found} found; this snapshot can be exported as {wanted}")
    names = [project.ref.key, snapshot.id, format_name]
    if control:
        # A control's name may hold anything, and two may look the same once they are safe.
        place = next(i for i, each in enumerate(plan_of(snapshot.manifest).controls) if each.name == control)
        names.append(f"{UNSAFE.sub('-', control)[:LONGEST_NAME].strip('-')}-{place}".strip("-"))
    return services.options.home / "exports" / project.ref.key / f"{'-'.join(names)}.zip"


def export_archive(snapshot: Snapshot, format_name: str, control: str, path: Path) -> None:
    """Write the rows of a snapshot, and `export.json` that says what is in the files and what is not, as one ZIP file.

    Memory does not grow with the number of rows.

    Raises:
        ConfigurationError: the snapshot cannot be exported so.
        SnapshotError: it is damaged.
    """
    with unfinished_folder(path.parent) as hidden, atomic_file(path) as draft:
        folder = hidden / "rows"
        report = export_rows_of_snapshot(snapshot, ExportRequest(format_name, control), folder)
        about = json.dumps(_about(snapshot, report, format_name, control), indent=2) + "\n"
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(ABOUT, about)
            for file in _files_in(folder):
                archive.write(file, str(file.relative_to(folder)))


def _files_in(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _about(snapshot: Snapshot, report: ExportReport, format_name: str, control: str) -> Mapping[str, Any]:
    return {
        "snapshot": snapshot.id,
        "project": snapshot.manifest.project.key,
        "format": format_name,
        "control": control,
        "rows": {str(split): count for split, count in report.rows.items()},
        "left_out": {reason: list(task_ids) for reason, task_ids in report.left_out.items()},
        "limits": report.limits,
        "notices": list(report.notices),
    }
