"""The settings of a project: as they hold, what a change would do, and the change itself."""

from datetime import datetime
from typing import Any

from flask import url_for
from pydantic import BaseModel, Field

from ...domain.access import Role
from ...workflows.settings.changing import change_setting, preview_of
from ...workflows.settings.listing import setting_faults, settings_of
from ..call import Call
from .base import Endpoint, NoFields
from .projects import PROJECT

__all__ = ["AskedSetting", "PreviewSetting", "SomeSettings"]

CHANGES_LISTED = 100


class SettingView(BaseModel):
    """A setting, as it holds for the project."""

    name: str
    heading: str = Field(description="What its group is about.")
    description: str
    value: str
    origin: str = Field(description="Where the value comes from: default, environment, Label Studio or project.")
    default: str
    inherited: str = Field(description="What holds where the project sets nothing itself.")
    by: str = Field(description="Who set it; empty where it is not the project's.")
    at: datetime | None
    is_own: bool = Field(description="The project sets it itself.")
    is_in_studio: bool = Field(description="The extra params of the project's model in Label Studio may hold it.")
    choices: list[str] = Field(description="The values that there are; empty: any that passes the checks.")
    fault: str = Field(description="Why a stored value is left out; empty: none is.")


class SettingChange(BaseModel):
    """A change of a setting; null where there was, or is, none."""

    name: str
    before: str | None
    value: str | None
    origin: str
    by: str
    at: datetime


class SettingsView(BaseModel):
    """All settings that a project may have for itself, and how they were changed."""

    settings: list[SettingView]
    left_out: dict[str, str] = Field(description="Why other names that are stored for the project do not hold.")
    changes: list[SettingChange]


class AskedSetting(BaseModel, extra="forbid"):
    """A setting and its value."""

    setting: str = Field(max_length=64)
    value: str = Field("", max_length=10_000)


class NamedSetting(BaseModel, extra="forbid"):
    """A setting."""

    setting: str = Field(max_length=64)


class AskedPreview(AskedSetting):
    """A setting, and its value or that the project takes its own back."""

    unset: bool = False


class ChangePreview(BaseModel):
    """The effects that a change would have."""

    name: str
    before: str
    after: str
    sentences: list[str]


class ChangedSetting(BaseModel):
    """A setting after a change."""

    project: int
    name: str
    value: str
    is_changed: bool


class SomeSettings(Endpoint):
    """List the settings of a project with their origins, and the newest changes."""

    name = "settings"
    path = f"/projects/{PROJECT}/settings"

    def answer(self, call: Call, asked: NoFields) -> SettingsView:
        del asked
        project = call.services.database.projects.get(call.ids["project_id"])
        changes = call.services.database.settings.changes(project.id, limit=CHANGES_LISTED)
        settings = {each["name"]: SettingView(**each) for each in settings_of(call.services, project.id)}
        faults = setting_faults(call.services, project.id)
        return SettingsView(
            settings=list(settings.values()),
            left_out={name: fault for name, fault in faults.items() if name not in settings},
            changes=[SettingChange.model_validate(each, from_attributes=True) for each in changes],
        )


class PreviewSetting(Endpoint):
    """Say what a change would do, without making it."""

    name = "preview_setting"
    path = f"/projects/{PROJECT}/settings/preview"
    role = Role.ADMIN

    def answer(self, call: Call, asked: AskedPreview) -> ChangePreview:
        value = None if asked.unset else asked.value
        return ChangePreview(**preview_of(call.services, _connected(call), asked.setting, value))


class SetSetting(Endpoint):
    """Set a setting of a project."""

    name = "set_setting"
    path = f"/projects/{PROJECT}/settings"
    method = "POST"
    role = Role.ADMIN
    subject = "project {project_id}, {setting}"
    words = "Save"

    def answer(self, call: Call, asked: AskedSetting) -> ChangedSetting:
        return _changed(call, asked.setting, asked.value)

    def sentence(self, answer: ChangedSetting) -> str:
        return _sentence(answer)

    def next_path(self, answer: ChangedSetting) -> str:
        return url_for("pages.settings", project_id=answer.project)


class UnsetSetting(Endpoint):
    """Take back what a project has for itself, so that what it inherits holds again."""

    name = "unset_setting"
    path = f"/projects/{PROJECT}/settings/unset"
    method = "POST"
    role = Role.ADMIN
    subject = "project {project_id}, {setting}"
    words = "Take back"

    def answer(self, call: Call, asked: NamedSetting) -> ChangedSetting:
        return _changed(call, asked.setting, None)

    def sentence(self, answer: ChangedSetting) -> str:
        return _sentence(answer)

    def next_path(self, answer: ChangedSetting) -> str:
        return url_for("pages.settings", project_id=answer.project)


def _connected(call: Call) -> int:
    return call.services.database.projects.get(call.ids["project_id"]).id


def _changed(call: Call, name: str, value: str | None) -> ChangedSetting:
    project_id = _connected(call)
    is_changed = change_setting(call.services, project_id, name, value, by=call.visitor.name)
    held: dict[str, Any] = next(each for each in settings_of(call.services, project_id) if each["name"] == name)
    return ChangedSetting(project=project_id, name=name, value=held["value"], is_changed=is_changed)


def _sentence(answer: ChangedSetting) -> str:
    if not answer.is_changed:
        return f"{answer.name} is as it was."
    return f"{answer.name} is {answer.value or 'empty'} now; what starts from now on goes by it."
