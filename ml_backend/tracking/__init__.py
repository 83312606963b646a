"""MLflow: the record of runs, versions and their files."""
