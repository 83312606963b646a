"""Settings that a project has for itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["ProjectSetting", "SettingOrigin"]


class SettingOrigin(StrEnum):
    """The source of a setting's value; what stands later goes before what stands earlier."""

    DEFAULT = "default"
    ENVIRONMENT = "environment"
    STUDIO = "Label Studio"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class ProjectSetting:
    """A value of a setting for one project, or a change of it.

    Attributes:
        value: as text; None where it was taken back.
        origin: PROJECT or STUDIO; a project may have a value of each.
        by: who set it, as far as that is known.
        before: what the project had from this origin; None where it had nothing.
    """

    name: str
    value: str | None
    origin: SettingOrigin
    by: str
    at: datetime
    before: str | None = None
