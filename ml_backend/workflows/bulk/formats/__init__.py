"""The forms of tasks and of predictions in files: a module each."""
