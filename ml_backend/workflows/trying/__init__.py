"""Trying a text: what the model that serves answers, and what its answer hangs on. Nothing of it is kept."""
