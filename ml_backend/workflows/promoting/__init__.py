"""Decide which version serves, and switch to it."""
