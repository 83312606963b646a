"""Take back what a version accepted."""

from collections import Counter

from ...batches import in_batches
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...errors import CertificateError
from ..services import Services
from .accept import AcceptedTasks, settle_intentions

__all__ = ["undo_acceptances"]

TASKS_AT_ONCE = 50
"""Label Studio deletes one annotation at a time, in about 0.1 s."""


def undo_acceptances(
    services: Services, project: Project, version: str, report: ProgressCallback = Progress.ignore
) -> Counter[str]:
    """Delete exactly the annotations that a version accepted and nobody has changed since.

    A certificate of this version ends first. Safe to repeat: a killed call is continued by the next.

    Returns:
        How many annotations were `deleted`, stay since people have `changed` them, or were `gone` already, by people or
        an earlier attempt.

    Raises:
        CertificateError: the version never accepted anything.
        StudioError: Label Studio did not answer or refused.
    """
    tries = services.database.certificates.all(project.id)
    of_version = [each for each in tries if each.version == version and each.is_certified]
    if not of_version:
        known = ", ".join(dict.fromkeys(each.version for each in tries if each.is_certified))
        raise CertificateError(
            f"{version} has accepted nothing in project {project.id}; versions that had a certificate there: "
            f"{known or 'none'}"
        )
    services.database.certificates.end(of_version[0], "what it accepted was taken back")
    settle_intentions(services, project, AcceptedTasks())
    standing = services.database.acceptances.standing(project.id, version)
    outcome = Counter(deleted=0, changed=0, gone=0)
    done = 0
    for batch in in_batches(standing, TASKS_AT_ONCE):
        tasks = services.studio.tasks_by_id(project.id, [each.task_id for each in batch])
        annotations = {annotation.id: annotation for task in tasks for annotation in task.annotations}
        undone = []
        for each in batch:
            annotation = annotations.get(each.annotation_id or 0)
            if annotation is not None and not each.covers(annotation):
                outcome["changed"] += 1
                continue
            is_deleted = annotation is not None and services.studio.delete_annotation(annotation.id)
            outcome["deleted"] += is_deleted
            outcome["gone"] += not is_deleted
            undone.append(each)
        services.database.acceptances.undo(undone)
        done += len(batch)
        report(Progress(done / len(standing), "undoing", f"took back {outcome['deleted']} of {len(standing)} answers"))
    return outcome
