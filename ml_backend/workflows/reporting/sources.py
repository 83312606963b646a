"""Say in a report how good the label sources are, where there are any."""

from pathlib import Path
from typing import Any

from ...domain.project import Project
from ...errors import ConfigurationError, SourceError
from ..services import Services
from ..sourcing.check import source_check
from ..sourcing.read import AskedFiles, folder_for, read_texts

__all__ = ["sources_to_json"]

FIGURES = (
    *("name", "label", "control", "coverage", "precision", "rows", "train_precision", "train_rows"),
    *("is_on", "off_because", "reason", "by"),
)


def sources_to_json(
    services: Services, asked: Project | AskedFiles, key: str, folder: Path | None
) -> dict[str, Any] | None:
    """Return the figures of label sources, and how often people and they differ, as a JSON object; None for no folder.

    Args:
        key: the project's, whose own folder of sources counts where it has one.
        folder: None: that of the settings; where its sources cannot be used, `problem` says why.

    Raises:
        SourceError: the folder that was given cannot be used.
        ConfigurationError: sources were given, and no control is answered with labels.
        StudioError: Label Studio does not answer.
    """
    wanted = folder or (Path(services.options.sources.folder) if services.options.sources.folder else None)
    if wanted is None:
        return None
    try:
        read = read_texts(services, folder_for(wanted, key), asked, labeled_alone=True)
    except (SourceError, ConfigurationError) as error:
        if folder is not None:
            raise
        return {"problem": str(error), "sources": [], "differences": 0, "labeled": 0, "faults": []}
    checked = source_check(read)
    return {
        "problem": None,
        "sources": [{name: each[name] for name in FIGURES} for each in checked["sources"]],
        "differences": len({each["task_id"] for each in checked["differences"]}),
        "labeled": checked["labeled"],
        "faults": [fault.sentence for fault in read.faults],
    }
