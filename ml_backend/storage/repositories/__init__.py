"""One repository per table: rows in and out as domain values, each method one transaction."""

from .events import EventRepository
from .flags import FlagRepository
from .gates import GateRepository
from .jobs import JobRepository
from .projects import ProjectRepository
from .promotions import PromotionRepository
from .snapshots import SnapshotRepository
from .versions import VersionRepository

__all__ = [
    "EventRepository",
    "FlagRepository",
    "GateRepository",
    "JobRepository",
    "ProjectRepository",
    "PromotionRepository",
    "SnapshotRepository",
    "VersionRepository",
]
