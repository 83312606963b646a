"""The split of each text: decided when the text is first seen, the same ever after."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

from ..batches import in_batches
from ..domain.annotation import Task
from ..domain.placement import TextSketch
from ..domain.project import Project
from ..domain.snapshot import Split, SplitFractions, SplitRule, text_digest
from ..snapshots.grouping import place_texts
from ..snapshots.sketches import sketch_of
from ..tasks import ServingPlan
from .services import Services

__all__ = ["FileSplits", "ProjectSplits", "TaskSplits", "splits_of"]

PLACED_AT_ONCE = 25
"""Others wait for the transaction, which should take some hundredths of a second."""
READ_AT_ONCE = 500


def splits_of(services: Services, project: Project, texts: Sequence[str]) -> list[Split]:
    """Return the splits of texts, in their order. Texts that are first seen now get one, which is stored.

    A blank text is in train, since it gives no row.

    Raises:
        DatabaseUnavailable: the splits are stored, and the database is away.
    """
    if project.split_rule is SplitRule.TEXT or project.split.train == 1:
        return [project.split.split_of(text) if text.strip() else Split.TRAIN for text in texts]
    digests = [text_digest(text) for text in texts]
    wanted = {digest: text for digest, text in zip(digests, texts, strict=True) if text.strip()}
    splits, since = services.database.splits, project.connected_at
    known = splits.find(project.id, wanted, connected_at=since)
    rule = partial(place_texts, project.split)
    for batch in in_batches((text for digest, text in wanted.items() if digest not in known), PLACED_AT_ONCE):
        known |= splits.place(project.id, [sketch_of(text) for text in batch], rule, connected_at=since)
    return [known.get(digest, Split.TRAIN) for digest in digests]


class TaskSplits(Protocol):
    """The splits of tasks that are read one after the other."""

    rule: SplitRule

    def reading(self, tasks: Iterable[Task], plan: ServingPlan) -> Iterator[Task]:
        """Yield the tasks unchanged, and take note of their texts."""

    def of(self, text: str) -> Split:
        """Return the split of a text of one of the tasks that were read."""


class ProjectSplits:
    """The splits of a project's tasks."""

    def __init__(self, services: Services, project: Project) -> None:
        self.rule = project.split_rule
        self._services, self._project = services, project
        self._known: dict[str, Split] = {}

    def reading(self, tasks: Iterable[Task], plan: ServingPlan) -> Iterator[Task]:
        for batch in in_batches(tasks, READ_AT_ONCE):
            texts = [plan.text(task.data) for task in batch]
            splits = splits_of(self._services, self._project, texts)
            self._known |= zip(map(text_digest, texts), splits, strict=True)
            yield from batch

    def of(self, text: str) -> Split:
        return self._known.get(text_digest(text), Split.TRAIN)


class FileSplits:
    """The splits of a file's tasks, given in the order of their ids, so that later tasks move no earlier one.

    Attributes:
        rule: that of new projects.
    """

    rule = SplitRule.GROUP

    def __init__(self, fractions: SplitFractions) -> None:
        self._fractions = fractions
        self._seen: list[tuple[int, TextSketch]] = []
        self._known: dict[str, Split] = {}

    def reading(self, tasks: Iterable[Task], plan: ServingPlan) -> Iterator[Task]:
        for task in tasks:
            if self._fractions.train < 1 and (text := plan.text(task.data)).strip():
                self._seen.append((task.id, sketch_of(text)))
            yield task

    def of(self, text: str) -> Split:
        if self._seen:
            in_order = sorted(self._seen, key=lambda pair: pair[0])
            first = {sketch.digest: sketch for _, sketch in reversed(in_order)}
            placed = place_texts(self._fractions, list(reversed(first.values())))
            self._known = {each.digest: each.split for each in placed}
            self._seen = []
        return self._known.get(text_digest(text), Split.TRAIN)
