"""The options of a project: those of the backend, with what is set for the project itself on top.

What a page or a command has set goes before the extra params of the project's model in Label Studio, these go before
the environment, and that goes before the defaults.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import ClassVar

from ..domain.project_setting import ProjectSetting, SettingOrigin
from ..errors import ConfigurationError, DatabaseUnavailable
from ..options import Options, project_settings
from ..storage.repositories.project_settings import ProjectSettingRepository

__all__ = ["ProjectOptions"]

log = logging.getLogger(__name__)


class ProjectOptions:
    """Reads them. A stored value that cannot work, as after an update, is left out, and the log names it once.

    While the database is away, a project keeps the options that were read last.
    """

    EXTRA_PARAMS: ClassVar = "extra_params"
    """The name under which extra params are kept that cannot be read."""

    def __init__(self, options: Options, stored: ProjectSettingRepository) -> None:
        self._options, self._stored = options, stored
        self._known: dict[int, tuple[list[ProjectSetting], Options]] = {}

    def of(self, project_id: int) -> Options:
        """Return the options of a project, or of the backend for work on files, which is 0.

        Raises:
            DatabaseUnavailable: the database is away, and this process has not read them yet.
        """
        if not project_id:
            return self._options
        known = self._known.get(project_id)
        try:
            stored = self._stored.all(project_id)
        except DatabaseUnavailable as error:
            if known is None:
                raise
            log.warning("project %s keeps the settings that were read last: %s", project_id, error)
            return known[1]
        if known is None or known[0] != stored:
            options, faults = self.merged(stored)
            for name, fault in faults.items():
                log.warning("project %s: the setting %s is left out: %s", project_id, name, fault)
            self._known[project_id] = known = (stored, options)
        return known[1]

    def merged(self, stored: Iterable[ProjectSetting]) -> tuple[Options, Mapping[str, str]]:
        """Return the options with these values, and what is wrong with those that are left out, by name."""
        in_studio, everywhere = project_settings(in_studio=True), project_settings()
        faults: dict[str, str] = {}
        options = self._options
        order = list(SettingOrigin)
        for each in sorted(stored, key=lambda each: order.index(each.origin)):
            if each.name not in (in_studio if each.origin is SettingOrigin.STUDIO else everywhere):
                faults[each.name] = _refusal(each)
                continue
            try:
                options = options.with_values({each.name: each.value})
            except ConfigurationError as error:
                faults[each.name] = str(error)
        return options, faults


def _refusal(setting: ProjectSetting) -> str:
    if setting.origin is not SettingOrigin.STUDIO:
        return "no project can set it"
    if setting.name == ProjectOptions.EXTRA_PARAMS:
        return (
            f"{setting.value} found, and wanted is a JSON object, so the former extra params hold; Label Studio writes "
            "[object Object] when its dialog is saved: type the JSON there again"
        )
    return "it cannot be set in Label Studio; an admin sets it on the page, or by `labelloop settings set`"
