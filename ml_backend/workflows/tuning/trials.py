"""The trials of a search: a training with some settings changed, scored on held-out rows."""

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from ...domain.ports import Run
from ...domain.progress import Progress
from ...domain.row_json import target_to_json
from ...errors import TrainingError
from ...learning.classification.scorer import SettingsScorer
from ...learning.classification.settings import TrainingSettings
from ...learning.loop.schedule import Deadline
from ...learning.record import ControlRun
from ...learning.search_space import SearchedSetting
from .study import SharedStudy, TimeIsOver, TrialFacts

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["TrialRunner"]

MARKS = 4
"""How often a training is compared with the others before it is over: at each quarter of it."""


class TrialRunner:
    """Runs trials: trains with the values that a trial suggests, and scores on the rows that no model was trained on.

    Args:
        settings: of the training, without what is searched.
        defaults: the searched settings whose default is among the values that are tried.
        start_run: gives a run of the tracker by its name.
        deadline: within a trial, its passing raises TimeIsOver; None: there is no hurry.
    """

    def __init__(
        self,
        study: SharedStudy,
        scorers: Sequence[SettingsScorer],
        searched: Sequence[SearchedSetting],
        settings: TrainingSettings,
        *,
        defaults: Collection[str],
        start_run: Callable[[str], AbstractContextManager[Run]],
        deadline: Deadline | None,
    ) -> None:
        self._study, self._scorers, self._searched, self._settings = study, scorers, searched, settings
        self._defaults, self._start_run, self._deadline = defaults, start_run, deadline

    def score(self, trial: "Trial") -> float:
        """Return the mean of the controls' scores.

        Raises:
            TrialPruned: by now, at least half of the other trials were ahead.
            TrainingError: a training failed.
            TimeIsOver: the deadline has passed.
        """
        import optuna

        is_default = bool(trial.user_attrs.get(TrialFacts.DEFAULT))
        values = {
            setting.name: setting.suggest(trial)
            for setting in self._searched
            # The defaults' values may be others than those that are tried.
            if not is_default or setting.name in self._defaults
        }
        settings = self._settings if is_default else self._settings.with_overrides(values)
        pruned = None
        with self._start_run(f"trial {trial.number}") as run:
            trial.set_user_attr(TrialFacts.RUN, run.run_id)
            run.log_params({"trial": trial.number, "is_default": is_default, **values})
            try:
                return self._score(trial, settings, run, is_default=is_default)
            except TrainingError as error:
                trial.set_user_attr(TrialFacts.ERROR, str(error))
                run.log_tags({"state": "failed", "error": str(error)})
                raise
            except optuna.TrialPruned as error:
                # It did what it should, so its run is not a failed one.
                pruned = error
                run.log_tags({"state": "pruned"})
        raise pruned

    def _score(self, trial: "Trial", settings: TrainingSettings, run: Run, *, is_default: bool) -> float:
        scores: list[float] = []
        answers: dict[str, Any] = {}
        for scorer in self._scorers:
            own = run if len(self._scorers) == 1 else ControlRun(run, scorer.control)
            watch = _Watch(trial, scores, len(self._scorers), None if is_default else self._deadline, is_default)
            found = scorer.answers(settings, run=own, report=watch.on_step, on_score=watch.on_score)
            scores.append(scorer.score(found))
            answers[scorer.control] = [target_to_json(answer) for answer in found]
            own.log_metrics({"score": scores[-1]})
        score = float(np.mean(scores))
        if len(self._scorers) > 1:
            run.log_metrics({"score": score})
        run.log_tags({"state": "complete"})
        best = self._study.best()
        if is_default or best is None or score > (best.value or 0.0):
            trial.set_user_attr(TrialFacts.ANSWERS, json.dumps(answers))
        return score


class _Watch:
    """Ends a trial whose time is over, or which is behind the others."""

    def __init__(
        self, trial: "Trial", done: Sequence[float], controls: int, deadline: Deadline | None, is_default: bool
    ) -> None:
        self._trial, self._done, self._controls, self._deadline = trial, done, controls, deadline
        self._is_default, self._mark = is_default, 0

    def on_step(self, _progress: Progress) -> None:
        if self._deadline is not None and not self._deadline.left_s:
            raise TimeIsOver("the time of the search is over")

    def on_score(self, share: float, score: float) -> None:
        """Compare at quarters rather than epochs: a training of more epochs learns less in each."""
        import optuna

        mark = int(MARKS * share)
        if mark <= self._mark:
            return
        self._mark = mark
        # Controls whose turn has not come count as 0, for every trial alike.
        so_far = (sum(self._done) + score) / self._controls
        self._trial.report(so_far, step=len(self._done) * MARKS + mark)
        is_over = mark == MARKS and len(self._done) + 1 == self._controls
        if not self._is_default and not is_over and self._trial.should_prune():
            raise optuna.TrialPruned(f"behind the others after {share:.0%} of the training")
