"""A search that several workers share: which trial is next, and what becomes of those whose worker died."""

import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from ...domain.ports import Tracker
from ...errors import Interrupted, JobCancelled, TrainingError
from ...learning.search_space import SearchedSetting
from ...storage.locks import Locks
from ...storage.studies import StudyStore

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

__all__ = ["SharedStudy", "TimeIsOver", "TrialFacts"]

log = logging.getLogger(__name__)

LOCK = "tuning"
MOST_RETRIES = 2
"""How often a trial is run anew whose worker died: one that takes all memory must not do so for ever."""
RANDOM_TRIALS = 6
"""Trials before the sampler begins to prefer what scored well: with some ten in all, Optuna's own 10 leave few."""


class TimeIsOver(JobCancelled):
    """The time of a search is over within a trial."""


class TrialFacts:
    """Names of what labelloop notes about a trial beside what Optuna does.

    Attributes:
        DEFAULT: True for the trial of the settings as they are without a search.
        RUN: its run in the tracker.
        ERROR: why it failed, as a sentence; absent where its worker died.
        ANSWERS: to the held-out rows, as JSON; of the defaults' trial, and of those that were the best so far.
    """

    DEFAULT, RUN, ERROR, ANSWERS = "default", "run", "error", "answers"


class SharedStudy:
    """An Optuna study in the database, of which every worker with the same name takes trials.

    Args:
        name: the same for the same search, see `search`.
        dead_after_s: time without a sign of life after which a trial's worker counts as dead.
        defaults: what trials would call the values of the defaults, as far as these are among the values that are
            tried; they are the first trial.
        seed: of the sampler.
    """

    def __init__(
        self,
        store: StudyStore,
        locks: Locks,
        tracker: Tracker,
        name: str,
        *,
        dead_after_s: float,
        defaults: Mapping[str, Any],
        seed: int,
    ) -> None:
        import optuna

        self.name, self._locks, self._tracker, self._seed = name, locks, tracker, seed
        with self.alone():
            self._storage = storage = store.open(dead_after_s=dead_after_s, on_dead=self._run_anew)
            self._study: Study = optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=RANDOM_TRIALS),
            )
            if not self._study.get_trials(deepcopy=False):
                self._study.enqueue_trial(dict(defaults), user_attrs={TrialFacts.DEFAULT: True})

    def close(self) -> None:
        """Close the connections to the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def alone(self) -> AbstractContextManager[None]:
        """A block in which no other worker begins, queues or counts trials."""
        return self._locks.held(LOCK, _wait)

    @property
    def run_id(self) -> str | None:
        """The run that the trials' runs are parts of; None: there is none yet."""
        found: str | None = self._study.user_attrs.get(TrialFacts.RUN)
        return found

    def set_run(self, run_id: str) -> None:
        """Keep the id of that run for every worker."""
        self._study.set_user_attr(TrialFacts.RUN, run_id)

    def trials(self) -> "list[FrozenTrial]":
        """Return all trials that count: those that have ended by themselves, and those that run."""
        from optuna.trial import TrialState

        ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state in ended or (trial.state is TrialState.FAIL and TrialFacts.ERROR in trial.user_attrs)
        ]

    def complete(self) -> "list[FrozenTrial]":
        """Return the trials that have a score."""
        return [trial for trial in self.trials() if trial.state.name == "COMPLETE"]

    def default(self) -> "FrozenTrial | None":
        """Return the complete trial of the defaults; None: there is none yet."""
        return next((trial for trial in self.complete() if trial.user_attrs.get(TrialFacts.DEFAULT)), None)

    def best(self) -> "FrozenTrial | None":
        """Return the complete trial with the highest score; of equal ones the defaults', then the first."""
        return max(
            self.complete(),
            key=lambda trial: (trial.value, bool(trial.user_attrs.get(TrialFacts.DEFAULT)), -trial.number),
            default=None,
        )

    def runs_elsewhere(self) -> bool:
        """True where another worker is in a trial, or was until it died."""
        return any(trial.state.name == "RUNNING" for trial in self.trials())

    def take(self, most: int, evaluate: "Callable[[Trial], float]") -> bool:
        """Run the next trial; return False where there are as many as wanted, of which some may still run elsewhere.

        A trial that a signal or the end of the time interrupts is left for the next worker.

        Args:
            evaluate: gives the score of a trial. A TrainingError fails the trial alone.
        """
        begun: list[Trial] = []
        with ExitStack() as lock:
            # Two workers must not both see that one trial is left, nor run a dead worker's trial twice.
            lock.enter_context(self.alone())
            self._expire()
            if len(self.trials()) >= most:
                return False

            def objective(trial: "Trial") -> float:
                lock.close()
                begun.append(trial)
                self._study.sampler = self._sampler(trial.number)
                return evaluate(trial)

            try:
                self._study.optimize(objective, n_trials=1, catch=(TrainingError,))
            except (Interrupted, TimeIsOver):
                for trial in begun:
                    self._put_back(trial)
                raise
            except Exception:
                if not (begun and self._was_taken(begun[0])):
                    raise
                log.warning("trial %d was given to another worker while this one gave no sign of life", begun[0].number)
        return True

    def importance(self, settings: Sequence[SearchedSetting]) -> dict[str, float]:
        """Return each setting's share in how the scores vary (fANOVA); empty where too few trials are complete.

        Source: Hutter, Hoos and Leyton-Brown (2014), An Efficient Approach for Assessing Hyperparameter Importance.
        """
        import optuna

        names = {setting.name for setting in settings}
        # The defaults lack what is not among the values that are tried.
        whole = [trial for trial in self.complete() if trial.params.keys() == names]
        if len(whole) < 2 or len({trial.value for trial in whole}) < 2:
            return {}
        study = optuna.create_study(direction="maximize")
        study.add_trials(whole)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
        return {name: round(share, 4) for name, share in _importances(study, evaluator).items()}

    def _sampler(self, number: int) -> Any:
        """Return a sampler that suggests the same at every run of a search, and not the same to two workers."""
        from optuna.samplers import TPESampler

        return TPESampler(n_startup_trials=RANDOM_TRIALS, seed=self._seed + number)

    def _expire(self) -> None:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self._study)

    def _run_anew(self, study: "Study", trial: "FrozenTrial") -> None:
        """Queue a trial again whose worker died, and end its run."""
        import optuna

        if run_id := trial.user_attrs.get(TrialFacts.RUN):
            self._tracker.close(run_id, was_cancelled=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.RetryHeartbeatStaleTrialCallback(MOST_RETRIES)(study, trial)

    def _put_back(self, trial: "Trial") -> None:
        import optuna

        with self.alone():
            if self._frozen(trial.number).state is optuna.trial.TrialState.RUNNING:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            # Interrupted rather than dead: it may be run as often as it takes.
            frozen = self._frozen(trial.number)
            frozen.system_attrs.pop("retry_history", None)
            self._run_anew(self._study, frozen)

    def _was_taken(self, trial: "Trial") -> bool:
        frozen = self._frozen(trial.number)
        return frozen.state.name == "FAIL" and TrialFacts.ERROR not in frozen.user_attrs

    def _frozen(self, number: int) -> "FrozenTrial":
        return self._study.get_trials()[number]


def _importances(study: "Study", evaluator: Any) -> Mapping[str, float]:
    import optuna

    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _wait() -> None:
    """Another worker begins a trial, which takes no time."""
    time.sleep(0)
