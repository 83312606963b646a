"""Say which texts of a project's tasks are read, where its label config shows several."""

from collections.abc import Iterable

from ...domain.annotation import Task
from ...domain.project import Project
from ...domain.readable import listed
from ...labelstudio.plans import plan_of
from ..services import Services
from .projects import read_fields

__all__ = ["what_is_read"]


def what_is_read(services: Services, project: Project, tasks: Iterable[Task]) -> tuple[str, ...]:
    """Return sentences on which texts are read, which are not and why; none where one is shown.

    Args:
        tasks: some of the project's.
    """
    plan = plan_of(project)
    if not plan.fixed_fields:
        return ()
    would = read_fields(services, plan, (task.data for task in tasks))
    read = f"Of each task, {listed(map(repr, plan.fields))} is read, which is fixed from now on."
    unread = (
        f"The field {shown.field!r} is shown and not read: it {why}."
        if (why := would.left_out.get(shown.field or ""))
        else f"The field {shown.field!r} is shown and not read: what is read was fixed when the project was connected; "
        "to have it read, connect a copy of the project."
        for shown in plan.unread
    )
    useless = (
        f"The field {name!r} is read, although it {would.left_out[name]}: what is read was fixed when the project was "
        "connected."
        for name in plan.fields
        if name in would.left_out
    )
    return (read, *unread, *useless)
