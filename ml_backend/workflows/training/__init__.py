"""Train a version of a project, or evaluate one."""
