"""Compare tasks that were shown with a pre-label with blind ones: what it saves, and whether people follow it."""

import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ...arrays import Bools, Floats, Ints
from ...domain.example import SelectedBy, Target, label_of, parts_of
from ...domain.model import ModelVersion, PromotionState, ScoredTarget
from ...domain.ports import Predictor
from ...domain.project import Project
from ...errors import LabelloopError
from ...measuring.prelabel_effect import PrelabelEffect
from ...tasks import ServingPlan
from ..services import Services
from .work import LabelWork, Way, WorkTimes

__all__ = ["PrelabelExperiment"]

log = logging.getLogger(__name__)

CONFIDENCE_BINS = 5
NEWEST = 5000
"""Labels of each arm that are compared at most: a model answers all of their texts anew."""

_Answers = Mapping[str, ScoredTarget]


@dataclass(frozen=True, slots=True, eq=False)
class PrelabelExperiment:
    """Labels of tasks whose text the serving model would have pre-labeled, or did.

    Which version served is known for every moment, and versions never change, so the answer that a blind task would
    have got is computed when somebody asks for it; the pre-label of a shown task is computed in the same way.

    Attributes:
        work: the labels, of both arms.
        places: where each is in the times that it was made from.
        answers: what the model said, per label and control.
        notes: sentences on what could not be compared, and how much of it.
    """

    work: Sequence[LabelWork]
    places: Ints
    answers: Sequence[_Answers]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, services: Services, project: Project, plan: ServingPlan, times: WorkTimes) -> "PrelabelExperiment":
        """Return the experiment that a project has made so far."""
        if plan.has_texts:
            return cls((), np.zeros(0, dtype=np.int64), (), ("written answers are never the same twice",))
        arms = {
            way: [i for i, each in enumerate(times.work) if _counts(each, way)] for way in (Way.PRELABEL, Way.BLIND)
        }
        chosen = sorted(place for places in arms.values() for place in places[-NEWEST:])
        left_out = sum(map(len, arms.values())) - len(chosen)
        serving_at = _serving_at(services, project)
        by_version: dict[str, list[int]] = defaultdict(list)
        for place in chosen:
            by_version[times.work[place].version or serving_at(times.work[place].at)].append(place)
        answers: dict[int, _Answers] = {}
        notes = [f"{left_out} older labels were left out"] if left_out else []
        for version, places in by_version.items():
            try:
                predictor = _predictor(services, project, version)
                given = predictor.predict([_text(times.work[place]) for place in places])
            except LabelloopError as error:
                notes.append(f"{len(places)} labels made while {version} served were left out: {error}")
                continue
            answers |= {
                place: each for place, each in zip(places, given, strict=True) if each and _says_something(each)
            }
        known = sorted(answers)
        return cls(
            [times.work[place] for place in known],
            np.array(known, dtype=np.int64),
            [answers[place] for place in known],
            tuple(notes),
        )

    def to_json(self, times: WorkTimes) -> dict[str, Any]:
        """Return seconds saved per label, and how much more often people agree with what they see, as a JSON object."""
        labels = sorted({name for each in self.answers for name in _labels(each)})
        everything = np.ones(len(self.work), dtype=np.bool_)
        by_label = []
        for label in labels:
            own = np.array([label in _labels(each) for each in self.answers], dtype=np.bool_)
            seconds, agreement = self._effects(times, own, tests=len(labels))
            if seconds or agreement:
                by_label.append({"label": label, "seconds": _to_json(seconds), "agreement": _to_json(agreement)})
        seconds, agreement = self._effects(times, everything, tests=1)
        return {
            "seconds": _to_json(seconds),
            "agreement": _to_json(agreement),
            "by_label": by_label,
            "is_reweighted": self._is_chosen,
            "notes": list(self.notes),
        }

    @property
    def _is_chosen(self) -> bool:
        """True where something but chance chose which tasks with a pre-label were answered."""
        return any(each.way is Way.PRELABEL and each.selected_by is not SelectedBy.RANDOM for each in self.work)

    def _effects(
        self, times: WorkTimes, chosen: Bools, *, tests: int
    ) -> tuple[PrelabelEffect | None, PrelabelEffect | None]:
        is_shown = np.array([each.way is Way.PRELABEL for each in self.work], dtype=np.bool_)
        bins = self._confidence_bins(is_shown)
        agrees = np.array([_agrees(*pair) for pair in zip(self.work, self.answers, strict=True)], dtype=np.float64)
        seconds, is_timed = times.seconds[self.places], times.is_measured[self.places]
        annotators = _codes([each.annotator for each in self.work])
        timed = chosen & is_timed
        return (
            PrelabelEffect.of(
                seconds[timed], is_shown[timed], (annotators * (CONFIDENCE_BINS + 1) + bins)[timed], tests=tests
            ),
            PrelabelEffect.of(agrees[chosen], is_shown[chosen], bins[chosen], tests=tests),
        )

    def _confidence_bins(self, is_shown: Bools) -> Ints:
        """Return what the choice of tasks went by: how sure the model was, in fifths of the blind tasks."""
        if not self._is_chosen:
            return np.zeros(len(self.work), dtype=np.int64)
        confidence: Floats = np.array([np.prod([one.score for one in each.values()]) for each in self.answers])
        if is_shown.all():
            return np.zeros(len(self.work), dtype=np.int64)
        edges = np.quantile(confidence[~is_shown], np.linspace(0, 1, CONFIDENCE_BINS + 1)[1:-1])
        return np.asarray(np.searchsorted(edges, confidence, side="right"), dtype=np.int64)


def _counts(work: LabelWork, way: Way) -> bool:
    return work.way is way and work.row is not None and not work.was_skipped


def _text(work: LabelWork) -> str:
    return work.row.text if work.row else ""


def _says_something(answers: _Answers) -> bool:
    return any(parts_of(answer.target) for answer in answers.values())


def _labels(answers: _Answers) -> set[str]:
    return {label_of(part) for answer in answers.values() for part in parts_of(answer.target)}


def _agrees(work: LabelWork, answers: _Answers) -> bool:
    wanted: dict[str, Target] = {name: answer.target for name, answer in answers.items()}
    return all(work.targets.get(name) == target for name, target in wanted.items())


def _codes(names: Sequence[str]) -> Ints:
    return np.asarray(np.unique(np.array(names, dtype=str), return_inverse=True)[1], dtype=np.int64)


def _to_json(effect: PrelabelEffect | None) -> dict[str, Any] | None:
    return None if effect is None else asdict(effect)


def _serving_at(services: Services, project: Project) -> Callable[[datetime], str]:
    """Return what tells which version served a project at a time."""
    done = [
        each
        for each in reversed(services.database.promotions.history(project.id))
        if each.state in (PromotionState.COMMITTED, PromotionState.DONE)
    ]
    cold_start = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
    moments, names = [each.updated_at for each in done], [cold_start, *(each.version for each in done)]
    return lambda at: names[bisect_right(moments, at)]


def _predictor(services: Services, project: Project, version: str) -> Predictor:
    if ModelVersion.is_cold_start_name(version):
        return services.cold_start(project)
    return services.load_predictor(services.versions.get(version).path)
