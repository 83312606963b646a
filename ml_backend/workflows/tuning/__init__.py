"""Searches through training settings."""
