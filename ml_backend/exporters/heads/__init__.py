"""Columns with types for answers, one file per head."""
