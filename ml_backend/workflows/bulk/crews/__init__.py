"""Sources of the workers of a bulk run: a module each."""
