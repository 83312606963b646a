"""Audit labels, show the flags in Label Studio, and learn what experts decided."""
