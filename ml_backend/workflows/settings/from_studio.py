"""Settings of a project from Label Studio: the extra params of its model, which `/setup` brings.

A manager of the project types them, or a script sends them. Label Studio stores them unchecked, as text, and turns an
object into the text `[object Object]` when its dialog is saved. They hold as settings of the project below what the
page or a command has set. Only settings that do no harm in a manager's hands can be set so. Of other names the value is
not even kept, since it might be a secret.
"""

import json
import logging
import re
from collections.abc import Mapping

from ...domain.project_setting import SettingOrigin
from ...domain.readable import shortened
from ...errors import PayloadError
from ...labelstudio.json_text import read_json
from ...options import PREFIX, project_settings
from ..project_options import ProjectOptions
from ..services import Services

__all__ = ["take_extra_params"]

log = logging.getLogger(__name__)

MOST = 100
"""Names that are taken in, far more than there are settings."""
LONGEST_NAME, LONGEST_VALUE = 64, 10_000
BY = "extra params"
SPOILT = "[object Object]"
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def take_extra_params(services: Services, project_id: int, given: object) -> None:
    """Store the extra params of a project's model where they have changed; the log says which ones do not hold.

    What cannot be read at all leaves the former ones as they are.

    Args:
        given: as `/setup` brings it: an object, its JSON as text, or None where there are none.

    Raises:
        DatabaseUnavailable: they cannot be stored now; the next `/setup` brings them again.
    """
    origin, rows = SettingOrigin.STUDIO, services.database.settings
    stored = {each.name: each.value or "" for each in rows.all(project_id) if each.origin is origin}
    wanted = _texts(given)
    if wanted is None:
        # Kept like a setting, so that `doctor` names it for as long as it lasts.
        wanted = {name: value for name, value in stored.items() if name != ProjectOptions.EXTRA_PARAMS}
        wanted[ProjectOptions.EXTRA_PARAMS] = repr(given) if given == SPOILT else f"a {type(given).__name__}"
    names = sorted(name for name in wanted.keys() | stored.keys() if wanted.get(name) != stored.get(name))
    for name in names:
        rows.put(project_id, name, wanted.get(name), origin=origin, by=BY)
    if names:
        log.info("project %s: Label Studio's extra params have changed: %s", project_id, ", ".join(names))
        services.for_project(project_id)  # its log names those that do not hold


def _texts(given: object) -> dict[str, str] | None:
    """Return the values by name, as text; None where they are no object. Nobody's secret is among them."""
    if given is None or given == "":
        return {}
    if isinstance(given, str):
        try:
            given = read_json(given.encode())
        except (ValueError, PayloadError):
            return None
    if not isinstance(given, Mapping):
        return None
    texts: dict[str, str] = {}
    for key, value in list(given.items())[:MOST]:
        name = shortened(_storable(str(key)).strip().lower().removeprefix(PREFIX.lower()), LONGEST_NAME)
        texts[name] = _text(value) if name in project_settings(in_studio=True) else ""
    if len(given) > MOST:
        log.warning("%s extra params found; the first %s were read", len(given), MOST)
    return texts


def _text(value: object) -> str:
    if isinstance(value, list):
        value = ",".join(map(str, value))
    return shortened(_storable(value if isinstance(value, str) else json.dumps(value)), LONGEST_VALUE)


def _storable(text: str) -> str:
    """Return the text as every database stores it, so that it does not seem changed the next time."""
    return UNSTORABLE.sub("\ufffd", text)
