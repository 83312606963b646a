"""Say which texts of a project's tasks are read, where its label config shows several."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from ...domain.annotation import Task
from ...domain.project import Project
from ...domain.readable import listed
from ...labelstudio.plans import plan_of
from ..services import Services
from .projects import read_fields

__all__ = ["Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The texts that are read of a project's tasks, compared with those that would be if it were connected now.

    Attributes:
        facts: sentences on which texts are read, which are not and why; none where one text is shown.
        doubts: sentences on texts for which this would be decided otherwise now.
    """

    ADVICE: ClassVar = (
        "To have a project read otherwise, import its tasks into a new one and connect that: what is read decides on "
        "the splits, so it never changes after the first label."
    )

    facts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @classmethod
    def of(cls, services: Services, project: Project, tasks: Iterable[Task]) -> "Reading":
        """Return it, by some of the project's tasks."""
        plan = plan_of(project)
        if not plan.unread and len(plan.texts) == 1:
            return cls()
        now = read_fields(services, plan_of(project.label_config), (task.data for task in tasks))
        facts = [f"Read of each task, and fixed since the project was connected: {listed(map(repr, plan.fields))}."]
        doubts = [
            f"The field {name!r} is read, although it {now.left_out[name]}."
            for name in plan.fields
            if name in now.left_out
        ]
        for name in (shown.field or "" for shown in plan.unread):
            if name in now.left_out:
                facts.append(f"The field {name!r} is shown and not read: it {now.left_out[name]}.")
            else:
                doubts.append(f"The field {name!r} is shown and not read.")
        return cls(tuple(facts), tuple(doubts))
