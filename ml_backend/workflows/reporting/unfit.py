"""The texts that fit none of the labels: how many came, and the groups that those form that wait."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...domain.annotation import Task
from ...domain.field_texts import readable_text
from ...domain.fit import UNFIT_SHARE
from ...domain.project import Project
from ...domain.readable import shortened
from ...labelstudio.plans import plan_of
from ..features import TextFeatures
from ..services import Services

__all__ = ["unfit_by_week", "unfit_to_json"]

MOST_GROUPED = 2000
TEXTS_PER_GROUP, MOST_GROUPS = 10, 30
LEAST_TEXTS = 5
"""Fewer texts that resemble each other are no candidate for a label."""
EXAMPLES, TEXT_CHARACTERS = 2, 300


def unfit_to_json(services: Services, project: Project, labeled_texts: Sequence[str]) -> dict[str, Any]:
    """Return how many texts were compared and fit none of the labels, week by week, and the groups of those that wait.

    A group has its most telling words, its size, the texts in its middle and all its tasks; the largest come first.

    Args:
        labeled_texts: what a group's words have to tell it from, besides the other groups.

    Raises:
        StudioError: Label Studio does not answer.
        EncoderError: the base model cannot be loaded.
    """
    unfit = [each.task_id for each in services.database.fits.unfit(project.id)]
    tasks = [
        task
        for task in services.studio.tasks_by_id(project.id, unfit[:MOST_GROUPED])
        if not any(not annotation.was_cancelled for annotation in task.annotations)
    ]
    return {
        "looked_at": services.database.fits.count(project.id),
        "expected_share": UNFIT_SHARE,
        "waiting": len(tasks),
        "weeks": unfit_by_week(services, project),
        "groups": _groups(services, project, tasks, labeled_texts) if len(tasks) >= LEAST_TEXTS else [],
    }


def unfit_by_week(services: Services, project: Project) -> list[dict[str, Any]]:
    """Return by the Monday of each week how many texts were new, and how many of them fitted no label then."""
    weeks = services.database.fits.first_by_week(project.id)
    return [{"week": week.isoformat(), "texts": texts, "unfit": unfit} for week, (texts, unfit) in weeks.items()]


def _groups(
    services: Services, project: Project, tasks: Sequence[Task], labeled_texts: Sequence[str]
) -> list[dict[str, Any]]:
    from ...selection.clusters import Clusters
    from ...serving.cold_start import shared_encoder

    plan, options = plan_of(project), services.options
    texts = [readable_text(plan.text(task.data)) for task in tasks]
    features = TextFeatures(services, shared_encoder(options.models.base_model)).of(texts)
    count = min(MOST_GROUPS, -(-len(texts) // TEXTS_PER_GROUP))
    clusters = Clusters.of(features, count, np.random.default_rng(options.seed))
    groups = []
    for number, words in clusters.telling_words(texts, labeled_texts).items():
        members = np.flatnonzero(clusters.members == number)
        members = members[np.argsort(-clusters.closeness[members], kind="stable")]
        if len(members) >= LEAST_TEXTS:
            group = {
                "words": list(words),
                "size": len(members),
                "texts": [shortened(texts[i], TEXT_CHARACTERS) for i in members[:EXAMPLES]],
                "task_ids": [tasks[i].id for i in members],
            }
            groups.append(group)
    return sorted(groups, key=lambda group: -group["size"])
