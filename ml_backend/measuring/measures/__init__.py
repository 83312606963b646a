"""Measures, one file per kind of head: how its answers are evaluated, and how two versions' answers are compared."""

from .base import AnyEvaluation, Measure, PairedStatistics, measure_of

__all__ = ["AnyEvaluation", "Measure", "PairedStatistics", "measure_of"]
