"""Objectives, one file per kind of head: what it should answer, how its loss is taken, how it is calibrated."""
