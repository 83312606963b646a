"""Export formats, one file each: how reviewed rows are written for other tools."""

from .base import Exporter, exporter, exporter_names

__all__ = ["Exporter", "exporter", "exporter_names"]
