"""Measure a prompted model on the test rows, beside models that learned from labels, and say what either costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...domain.example import Row, Target
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.snapshot import Snapshot, Split
from ...errors import ConfigurationError, SnapshotError
from ...labelstudio.plans import plan_of
from ...measuring.intervals import exact_interval
from ...measuring.learning_curve import resampled_scores
from ...measuring.measures.base import Measure
from ...sources.prompts import PromptFile
from ...tasks import ServedControl
from ..exporting.snapshots import export_file, export_project
from ..promoting.gate import stand_in
from ..reporting.forecast import LabelPrice
from ..reporting.report import rows_in
from ..reporting.work import LabelWork, WorkTimes, work_in_events, work_in_rows
from ..services import Services
from .contestants import Contest, Contestant
from .wording import Verdict

__all__ = ["Baseline"]

DIGITS = 4
LEAST_ROWS = 100
ON_TEST_ROWS = (
    "all are scored on blind test rows, which judge versions: neither the prompt nor a model was chosen by them, and "
    "whoever takes the best of several numbers of examples flatters it a little"
)


class Baseline:
    """A prompted model beside others on the test rows of a project, or of an export.

    Args:
        prompt: a file of a folder's `prompts`; None: what the label config says alone.
        examples: numbers of train rows that are shown with each text; a measurement each.
        most: test rows at most, drawn at random; None: by the settings.
        report: called while models answer.

    Raises:
        ConfigurationError: `examples` is empty or has a number below 0 or above 100.
        SourceError: the file is no prompt.
    """

    def __init__(
        self,
        services: Services,
        *,
        prompt: Path | None = None,
        examples: Sequence[int] = (0, 5, 20),
        most: int | None = None,
        report: ProgressCallback = Progress.ignore,
    ) -> None:
        self._services, self._report = services, report
        self._facts = PromptFile() if prompt is None else PromptFile.read(prompt)
        self._counts = sorted(set(examples))
        if not self._counts or self._counts[0] < 0 or self._counts[-1] > PromptFile.MOST_EXAMPLES:
            found = ", ".join(map(str, self._counts)) or "none"
            raise ConfigurationError(
                f"{found} found for the examples; wanted numbers from 0 to {PromptFile.MOST_EXAMPLES}, such as 0,5,20"
            )
        self._most = services.options.prompts.most if most is None else most
        self._notes: list[str] = []

    def of_project(self, project: Project) -> dict[str, Any]:
        """Return the figures of a project as JSON, about its labels as they are now, and store them.

        Raises:
            StudioError: Label Studio cannot be read.
            SnapshotError: no test row is labeled.
            ConfigurationError, TextServerError, SourceError: see `Contest.prompted`.
        """
        snapshot = export_project(self._services, project, is_for_training=False)
        rows, labeled = rows_in(snapshot)
        held_out = frozenset(row.task_id for row, split in rows if split.is_held_out)
        events = self._services.database.events.by_annotation(project.id)
        return self._measured(snapshot, project, labeled, work_in_events(events, labeled, held_out))

    def of_export(self, export: Path, label_config: str) -> dict[str, Any]:
        """Return the figures of an export of Label Studio as JSON, and store them. No Label Studio is asked.

        Raises:
            StudioExportError: the file is not such an export.
            SnapshotError: no test row is labeled.
            ConfigurationError, TextServerError, SourceError: see `Contest.prompted`.
        """
        snapshot = export_file(self._services, export, label_config, self._services.options.labels.split)
        _, labeled = rows_in(snapshot)
        return self._measured(snapshot, stand_in(self._services, snapshot), labeled, work_in_rows(labeled))

    def _measured(
        self, snapshot: Snapshot, project: Project, labeled: Sequence[Row], work: Sequence[LabelWork]
    ) -> dict[str, Any]:
        services, options = self._services, self._services.options
        rows, _ = rows_in(snapshot)
        train = [row for row, split in rows if split is Split.TRAIN]
        test = self._drawn([row for row, split in rows if split is Split.TEST])
        if not test:
            raise SnapshotError(
                f"{project.title} has no labeled test row (split {snapshot.manifest.split}); wanted some, since these "
                "measure without bias: label more tasks, held-out ones among them"
            )
        costs = WorkTimes(work).to_json(options.costs.expert_hour_price)
        price = LabelPrice.of(costs["human_s"], len(labeled), options.costs)
        plan = plan_of(snapshot.manifest)
        wanted = self._facts.control
        chosen = [served for served in plan.labeled if wanted in (None, served.name)]
        if not chosen:
            raise ConfigurationError(
                f"control {wanted!r} found; wanted one that is answered with labels: "
                f"{', '.join(served.name for served in plan.labeled) or 'there is none'}"
            )
        url = options.text_server.url
        figures = {
            "made_at": services.clock().isoformat(timespec="minutes"),
            "snapshot_id": snapshot.id,
            "url": url,
            "currency": options.costs.currency,
            "rows": len(test),
            "controls": [each for served in chosen if (each := self._control(served, project, train, test, price))],
            "notes": [ON_TEST_ROWS, *dict.fromkeys(self._notes)],
        }
        services.database.baselines.add(project.ref.key, snapshot.id, figures)
        return figures

    def _drawn(self, test: list[Row]) -> list[Row]:
        if len(test) <= self._most:
            return test
        self._notes.append(f"{self._most:,} of {len(test):,} test rows were drawn at random")
        chosen = np.random.default_rng(self._services.options.seed).permutation(len(test))[: self._most]
        return [test[k] for k in sorted(chosen.tolist())]

    def _control(
        self, served: ServedControl, project: Project, train: Sequence[Row], test: Sequence[Row], price: LabelPrice
    ) -> dict[str, Any] | None:
        answered = [row for row in test if served.name in row.targets]
        learned = [row for row in train if served.name in row.targets]
        if not answered:
            self._notes.append(f"no test row answers {served.name}")
            return None
        contest = Contest(self._services, project, served, learned, answered, self._notes, self._report)
        # The prompted model first: without a server nothing else is worth waiting for.
        contestants = [*contest.prompted(self._facts, self._counts), *contest.trained()]
        measure = Measure.of(served.kind.head)
        true: list[Target | None] = [row.targets[served.name] for row in answered]
        pairs = [measure.compare(true, each.answers, each.answers) for each in contestants]
        scores, resampled = resampled_scores(pairs, seed=self._services.options.seed)
        ends = np.quantile(resampled, [0.025, 0.975], axis=0).T
        figures = [
            {
                **_facts(each, true),
                "macro_f1": [round(float(value), DIGITS) for value in (low, score, high)],
            }
            for each, score, (low, high) in zip(contestants, scores, ends, strict=True)
        ]
        trained = [k for k, each in enumerate(contestants) if each.is_trained]
        best = max(trained, key=lambda k: scores[k], default=None)
        for k, each in enumerate(contestants):
            if each.examples is not None and best is not None:
                low, high = np.quantile(resampled[:, k] - resampled[:, best], [0.025, 0.975]).tolist()
                between = low, float(scores[k] - scores[best]), high
                figures[k] |= Verdict(figures[k], figures[best], len(learned), price).to_json(between, measure.metric)
        if len(answered) < LEAST_ROWS:
            self._notes.append(
                f"{len(answered)} test rows of {served.name} are few: below {LEAST_ROWS}, take intervals as rough"
            )
        return {
            "control": served.name,
            "metric": measure.metric,
            "rows": len(answered),
            "train_rows": len(learned),
            "model": contestants[0].name,
            "contestants": figures,
        }


def _facts(contestant: Contestant, true: Sequence[Target | None]) -> dict[str, Any]:
    right = sum(answer == truth for answer, truth in zip(contestant.answers, true, strict=True))
    low, high = exact_interval(right, len(true))
    return {
        "name": contestant.name,
        "kind": contestant.kind,
        "examples": contestant.examples,
        "accuracy": [round(value, DIGITS) for value in (low, right / len(true), high)],
        "unanswered": sum(answer is None for answer in contestant.answers),
        "per_thousand": dict(contestant.per_thousand),
    }
