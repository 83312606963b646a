"""Export formats, one file each: how reviewed rows are written for other tools."""

from .base import Exporter, ExportReport, ExportWish, exporter, exporter_names

__all__ = ["ExportReport", "ExportWish", "Exporter", "exporter", "exporter_names"]
