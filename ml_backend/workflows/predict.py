"""Pre-labels for the tasks of a request."""

from collections.abc import Sequence

from ..domain.annotation import Task
from ..domain.project import Project
from ..serving.prelabels import Prelabels, prelabel
from .services import Services
from .setup import plan_of

__all__ = ["predict_for_studio"]


def predict_for_studio(services: Services, project: Project, tasks: Sequence[Task]) -> Prelabels:
    """One pre-label per task, in order, by the model that serves the project."""
    predictor = services.champions.get(project)
    return prelabel(tasks, predictor, plan_of(project).served, project.split)
