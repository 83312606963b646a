"""The files of a report."""

from pathlib import Path

from ..services import Services

__all__ = ["ReportFiles"]


class ReportFiles:
    """A report as JSON and as a page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.json, self.html = folder / "report.json", folder / "report.html"

    @classmethod
    def of(cls, services: Services, key: str) -> "ReportFiles":
        """Return where the newest report of a project, or of an export, lies on this machine."""
        return cls(services.options.home / "reports" / key)
