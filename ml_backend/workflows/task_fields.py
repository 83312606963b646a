"""Write labelloop's fields into the data of tasks, beside the data of others: flags of an audit, places in a list."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ..domain.ports import Studio
from ..domain.project import Project
from ..errors import StudioError, StudioRejected
from ..labelstudio.plans import plan_of

__all__ = ["TASKS_PER_READ", "check_names", "is_replaced"]

log = logging.getLogger(__name__)

TASKS_PER_READ = 10
"""Read just before they are written, a second's worth at a time: what others write in between would be lost."""
PASSED_OVER = (400, 404)
"""Data that Label Studio does not take, and a task that was deleted this very moment: no reason to leave the others."""


def check_names(project: Project, fields: Iterable[str], content: str) -> None:
    """Make sure that the label config shows none of the fields.

    Args:
        content: what labelloop would write there, for the error.

    Raises:
        StudioError: it shows one.
    """
    config = plan_of(project).config
    used = {key for shown in (*config.objects, *(each.object for each in config.controls)) for key in shown.keys}
    if clashes := [name for name in fields if name in used]:
        raise StudioError(
            f"the label config of project {project.id} shows {', '.join(clashes)}, where labelloop would write "
            f"{content}; rename that field in the tasks and in the label config, then push again"
        )


def is_replaced(studio: Studio, task_id: int, data: Mapping[str, Any]) -> bool:
    """Replace a task's data; False where Label Studio does not take it, or the task is gone.

    Raises:
        StudioError: Label Studio did not answer or refused for another reason.
    """
    try:
        studio.replace_data(task_id, data)
    except StudioRejected as error:
        if error.status not in PASSED_OVER:
            raise
        log.warning("task %s was not written: %s", task_id, error)
        return False
    return True
