"""Preferences between responses, read from rows: a file per kind of control that tells which response is better."""
