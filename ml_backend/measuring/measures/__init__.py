"""Measures, one file per kind of head: how its answers are evaluated, and how two versions' answers are compared."""
