"""Readouts, one file per kind of head: what of a text the head reads, and what its logits say."""

from .base import Readout, readout_from_json, readout_of

__all__ = ["Readout", "readout_from_json", "readout_of"]
