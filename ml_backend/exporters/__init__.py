"""Export formats, one file each: how reviewed rows are written for other tools."""

from .base import Exporter, ExportReport, ExportRequest, exporter, exporter_names

__all__ = ["ExportReport", "ExportRequest", "Exporter", "exporter", "exporter_names"]
