"""A labeled project with rows in every split, for the tests of exports."""

from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.workflows.services import Services
from tests.services import add_project, choice, texts_in

__all__ = ["TEXTS", "add_labeled_project"]

TEXTS = [*texts_in(Split.TRAIN, 4), *texts_in(Split.VALIDATION, 1), *texts_in(Split.TEST, 1)]


def add_labeled_project(services: Services) -> Project:
    """A project whose every task but the fourth is labeled."""
    project = add_project(services, TEXTS)
    for task_id in (1, 2, 3, 5, 6):
        services.studio.submit_annotation(task_id, {"result": choice("Billing"), "lead_time": 2.0})
    return project
