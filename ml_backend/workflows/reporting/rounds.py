"""Round by round: how many labels there were, what they took, and how good the model was that they gave."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays import Bools, Floats
from ...domain.annotation import Annotation
from ...domain.example import Row, SelectedBy, Target
from ...domain.job import Job
from ...domain.model import LearnedFrom, Method, ModelVersion
from ...domain.ports import Predictor
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.snapshot import Split
from ...errors import LabelloopError
from ...measuring.learning_curve import resampled_scores
from ...tasks import ServingPlan
from ..services import Services
from ..training.evaluate import answers_of
from .frozen_rows import FrozenRows
from .work import Way, WorkTimes

if TYPE_CHECKING:
    from ...measuring.measures.base import PairedStatistics

__all__ = ["lead_of", "rounds_by_time", "rounds_by_version", "strategies_to_json"]

MOST_ROUNDS = 12
ALL_JOBS = 100_000
LEAST_BLIND_ROWS = 20
UNKNOWN = (None, None, None)
NOT_TRAINED_YET = "not trained on yet"
LEAST_STRATEGY_ROWS, MOST_STRATEGY_ROWS = 40, 400


def rounds_by_version(
    services: Services,
    project: Project,
    plan: ServingPlan,
    times: WorkTimes,
    test: Sequence[Row],
    *,
    saved_s: float | None,
    report: ProgressCallback,
) -> list[dict[str, Any]]:
    """Return a round per version that was trained, all of them scored on the test rows as they are now.

    Args:
        saved_s: seconds that a pre-label saves; None where that is not known.
    """
    versions = sorted(services.versions.all(project.ref.key), key=lambda each: each.number)
    scored = set(_spread([each.name for each in versions]))
    counted = _Rounds(times, services.database.jobs.newest(project_id=project.id, limit=ALL_JOBS), saved_s)
    rounds = []
    for version in versions:
        scores = None
        if version.name in scored and len(test) >= LEAST_BLIND_ROWS:
            report(Progress(0.8, "scoring", f"{version.name} answers {len(test)} blind rows"))
            scores = _score(services, plan, version, test)
        found = counted.next(version.name, version.created_at.timestamp(), scores or UNKNOWN)
        rounds.append({**found, "learned_from": version.learned_from})
    return [*rounds, counted.next(NOT_TRAINED_YET, np.inf, UNKNOWN)] if rounds and counted.has_more else rounds


def rounds_by_time(rows: FrozenRows, times: WorkTimes, *, saved_s: float | None) -> list[dict[str, Any]]:
    """Return rounds for labels that no version was trained on: regressions on the first labels, ever more of them."""
    moments = [Annotation.time_of(row.provenance.reviewed_at) for row, _ in rows.rows]
    order = np.array(sorted(range(len(moments)), key=lambda i: moments[i]), dtype=np.int64)
    train, scored = order[~rows.is_held_out[order]], np.flatnonzero(rows.is_held_out)
    if len(scored) < LEAST_BLIND_ROWS or len(train) < LEAST_BLIND_ROWS:
        return []
    least = max(LEAST_BLIND_ROWS, len(train) // 10)
    sizes = np.unique(np.round(np.geomspace(least, len(train), 6)).astype(int)).tolist()
    answers = rows.answers([rows.fold(train, scored)], sizes, in_order=True)
    counted, rounds = _Rounds(times, (), saved_s), []
    for size, scores in zip(sizes, rows.scores(answers, scored).intervals(), strict=True):
        until = moments[train[size - 1]].timestamp() if size < len(train) else np.inf
        rounds.append(counted.next(f"{size} train rows", until, scores))
    return rounds


def lead_of(
    services: Services, plan: ServingPlan, version: ModelVersion | None, rows: FrozenRows, *, seed: int
) -> Floats:
    """Return how much better the serving version answers the test rows than a regression on the same train rows.

    Drawn from its interval, shape (B,); zero where no tuned version serves, or there are too few test rows to tell.
    """
    from ...measuring.measures.base import Measure

    scored = np.array([i for i, (_, split) in enumerate(rows.rows) if split is Split.TEST], dtype=np.int64)
    train = np.flatnonzero(~rows.is_held_out)
    if version is None or version.method is Method.REGRESSION or len(scored) < LEAST_BLIND_ROWS * 5:
        return np.zeros(1)
    try:
        predictor = services.load_predictor(services.versions.at_hand(version).path)
        tuned = answers_of(predictor, [rows.rows[i][0] for i in scored], plan)[rows.served.name]
    except LabelloopError:
        return np.zeros(1)
    (plain,) = rows.answers([rows.fold(train, scored)], [len(train)], in_order=True)
    true = [rows.targets[i] for i in scored]
    measure = Measure.of(rows.served.kind.head)
    pairs = [measure.compare(true, each, each) for each in ([plain[i] for i in scored], tuned)]
    _, resampled = resampled_scores(pairs, seed=seed)
    return np.asarray(resampled[:, 1] - resampled[:, 0], dtype=np.float64)


def strategies_to_json(rows: FrozenRows, strategies: Mapping[int, str], *, seed: int) -> list[dict[str, Any]]:
    """Return what rows taught that a strategy chose, each strategy against as many that chance chose, as JSON objects.

    Both models learn from the same random rows as well, so that none lacks what chance alone brings.

    Args:
        strategies: by task, of those that labelloop chose; what Label Studio's own sampling chose is called active.
    """
    rng = np.random.default_rng(seed)
    ways = np.array([_way(row, strategies) for row, _ in rows.rows])
    random = rng.permutation(np.flatnonzero(~rows.is_held_out & (ways == SelectedBy.RANDOM)))
    base, yardstick = random[: len(random) // 2], random[len(random) // 2 :]
    scored = np.flatnonzero(rows.is_held_out)
    compared = []
    for way in sorted({*ways.tolist()} - {SelectedBy.RANDOM, SelectedBy.UNKNOWN}):
        own = rng.permutation(np.flatnonzero(~rows.is_held_out & (ways == way)))
        count = min(len(own), len(yardstick), MOST_STRATEGY_ROWS)
        if count < LEAST_STRATEGY_ROWS or len(scored) < LEAST_BLIND_ROWS:
            continue
        trains = [np.concatenate([base, each[:count]]) for each in (yardstick, own)]
        answers = [rows.answers([rows.fold(train, scored)], [len(train)], in_order=True)[0] for train in trains]
        scores = rows.scores(answers, scored)
        low, high = np.quantile(scores.resampled[:, 1] - scores.resampled[:, 0], [0.025, 0.975])
        compared.append(
            {
                "strategy": way,
                "rows": count,
                "score": round(float(scores.values[1]), 4),
                "random_score": round(float(scores.values[0]), 4),
                "difference": [round(float(each), 4) for each in (low, scores.values[1] - scores.values[0], high)],
            }
        )
    return compared


def _way(row: Row, strategies: Mapping[int, str]) -> str:
    way = row.provenance.selected_by
    return strategies.get(row.task_id, str(way)) if way is SelectedBy.ACTIVE else str(way)


class _Rounds:
    """Says what happened in each of the rounds that follow one another."""

    def __init__(self, times: WorkTimes, jobs: Sequence[Job], saved_s: float | None) -> None:
        self._times, self._jobs, self._saved_s = times, jobs, saved_s
        self._at = np.array([each.at.timestamp() for each in times.work], dtype=np.float64)
        self._is_label = np.array(
            [not each.was_skipped and each.way is not Way.FLAG for each in times.work], dtype=np.bool_
        )
        self._is_prelabeled = np.array([each.way is Way.PRELABEL for each in times.work], dtype=np.bool_)
        self._before = -np.inf

    def next(self, name: str, until: float, scores: Sequence[float | None]) -> dict[str, Any]:
        """Return the round that begins where the one before ended.

        Args:
            until: its end, in seconds since 1970.
            scores: lower end, score and upper end.
        """
        so_far = self._at <= until
        new: Bools = so_far & (self._at > self._before)
        machine_s = sum(
            (job.finished_at - job.started_at).total_seconds()
            for job in self._jobs
            if job.started_at and job.finished_at and self._before < job.started_at.timestamp() <= until
        )
        self._before = until
        saved_s = None if self._saved_s is None else round(self._saved_s * int((new & self._is_prelabeled).sum()), 1)
        low, score, high = scores
        return {
            "name": name,
            "labels": int((so_far & self._is_label).sum()),
            "human_s": round(self._times.total_s(new), 1),
            "saved_s": saved_s,
            "machine_s": round(machine_s, 1),
            "macro_f1": score,
            "low": low,
            "high": high,
            "learned_from": LearnedFrom.LABELS,
        }

    @property
    def has_more(self) -> bool:
        """True where work follows the last round."""
        return bool((self._at > self._before).any())


def _score(services: Services, plan: ServingPlan, version: ModelVersion, test: Sequence[Row]) -> list[float] | None:
    """Return the lower end of the 95% interval, the score and the upper end: the mean over the controls."""
    from ...measuring.measures.base import Measure

    try:
        predictor: Predictor = services.load_predictor(services.versions.at_hand(version).path)
        answers = answers_of(predictor, test, plan)
    except LabelloopError:
        return None
    pairs: list[PairedStatistics] = []
    for served in plan.labeled:
        true: list[Target | None] = [row.targets.get(served.name) for row in test]
        if any(target is not None for target in true):
            own = answers[served.name]
            pairs.append(Measure.of(served.kind.head).compare(true, own, own))
    if not pairs:
        return None
    scores, resampled = zip(*(resampled_scores([pair], seed=1) for pair in pairs), strict=True)
    means = np.mean([each[:, 0] for each in resampled], axis=0)
    low, high = np.quantile(means, [0.025, 0.975])
    return [round(float(each), 4) for each in (low, np.mean(scores), high)]


def _spread(names: Sequence[str]) -> list[str]:
    """Return at most so many of the names, the last among them, spread over all."""
    places = np.unique(np.round(np.linspace(0, len(names) - 1, min(len(names), MOST_ROUNDS))).astype(int))
    return [names[place] for place in places.tolist()] if names else []
