"""The findings of a search: its trials, the best of them, and whether that beats the defaults beyond chance."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...domain.progress import Progress
from ...domain.row_json import target_from_json
from ...errors import TrainingError
from ...measuring.gate import bootstrap_differences
from .study import SharedStudy, TrialFacts

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from ...learning.classification.scorer import SettingsScorer
    from ...learning.loop.schedule import Deadline
    from ...learning.search_space import SearchedSetting

__all__ = ["findings", "news_of_trial", "seconds_of"]

RESAMPLES = 2000
CONFIDENCE = 0.95
DIGITS = 4


def findings(
    study: SharedStudy,
    searched: "Sequence[SearchedSetting]",
    scorers: "Sequence[SettingsScorer]",
    *,
    seed: int,
) -> dict[str, Any]:
    """Return the trials, the best one, the defaults, their difference and each setting's importance, as JSON values.

    Raises:
        TrainingError: the trial of the defaults has no score.
    """
    default, best = study.default(), study.best()
    if default is None or best is None:
        raise TrainingError(f"the trial of the defaults has no score{_error_of_default(study)}, so nothing can be told")
    rows = " and ".join(dict.fromkeys(f"{len(scorer.held_out)} {scorer.where}" for scorer in scorers))
    gain = _gain(default, best, scorers, seed=seed)
    return {
        "scored_on": rows,
        "metric": _metric(scorers),
        "trials": [_shown(trial) for trial in study.trials()],
        "best": _shown(best),
        "default": _shown(default) | {"values": {each.name: _default(each.name, scorers) for each in searched}},
        "gain": gain | {"words": _words(gain, best, rows)},
        "importance": study.importance(searched),
    }


def news_of_trial(study: SharedStudy, most: int, metric: str, deadline: "Deadline | None") -> Progress:
    """Return what the newest trial of the study brought, and how long the others will take."""
    trials = study.trials()
    ended = [trial for trial in trials if trial.state.name != "RUNNING"]
    newest = max(ended, key=lambda trial: (trial.datetime_complete, trial.number))
    best, default = study.best(), study.default()
    seconds = [seconds_of(trial) for trial in ended]
    left_s = float(np.mean(seconds)) * max(most - len(ended), 0)
    if deadline is not None:
        left_s = min(left_s, deadline.left_s)
    news = f"{metric} {newest.value:.4f}" if newest.state.name == "COMPLETE" else _ENDINGS[newest.state.name]
    so_far = f"; best so far {best.value:.4f}, trial {best.number}" if best else ""
    against = f", defaults {default.value:.4f}" if default else ""
    values = "the defaults" if newest.user_attrs.get(TrialFacts.DEFAULT) else _listed(newest.params)
    return Progress(
        min(len(ended) / most, 1.0),
        "trial",
        f"{len(ended)} of {most}: {values}: {news}, {seconds_of(newest):.0f} s{so_far}{against}; "
        f"about {_duration(left_s)} left",
    )


def seconds_of(trial: "FrozenTrial") -> float:
    """Return how long a trial has taken."""
    return trial.duration.total_seconds() if trial.duration else 0.0


_ENDINGS = {"PRUNED": "stopped early, behind the others", "FAIL": "failed"}


def _gain(
    default: "FrozenTrial", best: "FrozenTrial", scorers: "Sequence[SettingsScorer]", *, seed: int
) -> dict[str, Any]:
    """Return the best score minus the defaults', with the interval that it has over resamples of the rows.

    The rows of each control are resampled by themselves.
    """
    difference = (best.value or 0.0) - (default.value or 0.0)
    first, second = _answers(default), _answers(best)
    resampled = np.mean(
        [
            bootstrap_differences(
                [scorer.compared(first[scorer.control], second[scorer.control])],
                seed=seed + position,
                resamples=RESAMPLES,
            )
            for position, scorer in enumerate(scorers)
        ],
        axis=0,
    )
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    is_beyond_chance = bool(low > 0)
    return {
        "difference": round(difference, DIGITS),
        "low": round(low, DIGITS),
        "high": round(high, DIGITS),
        "is_beyond_chance": is_beyond_chance,
    }


def _answers(trial: "FrozenTrial") -> Mapping[str, Any]:
    stored = json.loads(trial.user_attrs[TrialFacts.ANSWERS])
    return {control: [target_from_json(answer) for answer in answers] for control, answers in stored.items()}


def _words(gain: Mapping[str, Any], best: "FrozenTrial", rows: str) -> str:
    if best.user_attrs.get(TrialFacts.DEFAULT):
        return f"no trial scored higher than the defaults on {rows}"
    interval = f"{gain['difference']:+.4f} (95% interval {gain['low']:+.4f} to {gain['high']:+.4f}) on {rows}"
    if gain["is_beyond_chance"]:
        return f"the best trial beats the defaults by {interval}, which is more than chance"
    return f"the best trial is above the defaults by {interval}, which is within the noise of the score"


def _metric(scorers: "Sequence[SettingsScorer]") -> str:
    if len(scorers) == 1:
        return scorers[0].metric
    return "mean of " + ", ".join(f"{scorer.metric} of {scorer.control}" for scorer in scorers)


def _shown(trial: "FrozenTrial") -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "score": None if trial.value is None or trial.state.name != "COMPLETE" else round(trial.value, DIGITS),
        "values": dict(trial.params),
        "is_default": bool(trial.user_attrs.get(TrialFacts.DEFAULT)),
        "seconds": round(seconds_of(trial), 1),
        **({"error": trial.user_attrs[TrialFacts.ERROR]} if TrialFacts.ERROR in trial.user_attrs else {}),
    }


def _default(name: str, scorers: "Sequence[SettingsScorer]") -> Any:
    """Return a setting's default; by control where it depends on the control."""
    by_control = {scorer.control: scorer.defaults[name] for scorer in scorers}
    values = list(by_control.values())
    return values[0] if all(value == values[0] for value in values) else by_control


def _error_of_default(study: SharedStudy) -> str:
    errors = [trial.user_attrs.get(TrialFacts.ERROR) for trial in study.trials() if _shown(trial)["is_default"]]
    return f" ({errors[-1]})" if errors and errors[-1] else ""


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
