"""Judges of the answers to a control, one file per head."""
