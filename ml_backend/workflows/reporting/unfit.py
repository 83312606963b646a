"""The texts that fit none of the labels: how many came, and the groups that those form that wait."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ...domain.annotation import Task
from ...domain.field_texts import readable_text
from ...domain.fit import UNFIT_SHARE, FirstFit, fits_no_label
from ...domain.project import Project
from ...domain.readable import shortened
from ...labelstudio.plans import plan_of
from ..features import TextFeatures
from ..services import Services

__all__ = ["unfit_to_json"]

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
    first = services.database.fits.history(project.id)
    unfit = [each.task_id for each in services.database.fits.unfit(project.id)]
    tasks = [
        task
        for task in services.studio.tasks_by_id(project.id, unfit[:MOST_GROUPED])
        if not any(not annotation.was_cancelled for annotation in task.annotations)
    ]
    return {
        "looked_at": len(first),
        "expected_share": UNFIT_SHARE,
        "waiting": len(tasks),
        "weeks": _weeks(first),
        "groups": _groups(services, project, tasks, labeled_texts) if len(tasks) >= LEAST_TEXTS else [],
    }


def _weeks(first: Sequence[FirstFit]) -> list[dict[str, Any]]:
    """Return by the Monday of each week how many texts were new, and how many of them fitted no label then."""
    weeks: dict[str, list[bool]] = defaultdict(list)
    for each in first:
        weeks[_monday(each.seen_at)].append(fits_no_label(each.fit))
    return [{"week": week, "texts": len(found), "unfit": sum(found)} for week, found in sorted(weeks.items())]


def _monday(moment: datetime) -> str:
    return (moment.date() - timedelta(days=moment.weekday())).isoformat()


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
