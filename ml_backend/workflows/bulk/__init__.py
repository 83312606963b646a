"""Predictions for more texts than one process answers in good time."""
