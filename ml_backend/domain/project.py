"""A connected project, as this backend remembers it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from .snapshot import ProjectRef, SplitFractions, SplitRule

__all__ = ["Project", "SeenConfig"]


@dataclass(frozen=True, slots=True)
class SeenConfig:
    """A label config that a project has had, and when this backend first saw it.

    Attributes:
        is_confirmed: Label Studio itself sent the config; False where somebody may have made it up in an event.
    """

    label_config: str
    fingerprint: str
    seen_at: datetime
    is_confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Project:
    """A row of the projects table.

    Attributes:
        label_config: the XML last seen.
        split: fixed from the first label on, because a changed split would move rows between sets.
        split_rule: fixed for the same reason.
        fields: the fields of its tasks that are read, fixed from the first label on, because texts that are read
            otherwise belong to other splits; empty: the text of the first served control alone, as where there is one
            text, and in projects that were connected before several were read.
        backend_id: the backend's row in Label Studio, None until `connect` made or found it.
    """

    GREATEST_ID: ClassVar = 2**63 - 1
    """The largest id that the databases of Label Studio and labelloop can hold, for projects and all else."""

    id: int
    slug: str
    title: str
    label_config: str
    label_config_fingerprint: str
    split: SplitFractions
    connected_at: datetime
    fields: tuple[str, ...] = ()
    backend_id: int | None = None
    split_rule: SplitRule = SplitRule.TEXT

    @property
    def ref(self) -> ProjectRef:
        """The project as versions and snapshots name it."""
        return ProjectRef(self.id, self.slug)
