"""Kinds of label sources, one per file."""
