"""Bulk pre-labeling of a project in a real Label Studio."""

from dataclasses import replace
from pathlib import Path

from ml_backend.domain.progress import Progress
from ml_backend.labelstudio.client import StudioClient
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.labeling.prelabel import BatchSizes, push_missing
from ml_backend.workflows.splits import splits_of
from tests.fakes import FakePredictor
from tests.services import build_test_services
from tests.studio import project_with_tasks

TEXTS = [f"message number {number} about an order" for number in range(4500)]


def test_every_task_gets_one_prediction_while_reading_and_pushing_go_on_together(
    studio_client: StudioClient, tmp_path: Path
) -> None:
    """More tasks than a page holds, in three pushes: what is pushed must not shift what is still to be read."""
    info = project_with_tasks(studio_client, TEXTS)
    services = replace(build_test_services(tmp_path), studio=studio_client)
    project = remember_project(services, info.id, info.label_config, title=info.title)
    predictor = FakePredictor("m1", {"": "Returns"}, "Billing")
    reports: list[Progress] = []

    pushed = push_missing(services, project, predictor, reports.append, BatchSizes(500, 2000))

    assert pushed == len(TEXTS)
    assert studio_client.prediction_counts(project.id) == {"m1": len(TEXTS)}
    assert list(studio_client.tasks_without_prediction(project.id, "m1")) == []
    asked = [text for texts in predictor.asked for text in texts]
    splits = zip(TEXTS, splits_of(services, project, TEXTS), strict=True)
    assert asked == [text for text, split in splits if not split.is_held_out]
    assert reports[-1].message.startswith("pushed 4500 of 4500 pre-labels")
    assert push_missing(services, project, predictor) == 0
