"""The database: projects, annotation events, jobs, snapshots, gates and promotions."""

from .database import Database, open_database

__all__ = ["Database", "open_database"]
