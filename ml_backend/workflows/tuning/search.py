"""Search training settings that score higher than the defaults, on rows that are not test."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.progress import Progress, ProgressCallback
from ...domain.snapshot import Snapshot, Split
from ...errors import ConfigurationError, Interrupted
from ...labelstudio.plans import plan_of
from ...snapshots.store import SnapshotFolder
from ...storage.studies import StudyStore
from ..exporting.snapshots import export_project
from ..services import Services
from ..training.suspects import rows_by_trust
from ..training.train import TrainingChoices, learnable_parts
from ..training.weak_rows import ProposedRows
from .findings import findings, news_of_trial, seconds_of
from .study import SharedStudy, TimeIsOver

if TYPE_CHECKING:
    from ...learning.classification.scorer import SettingsScorer
    from ...learning.classification.settings import TrainingSettings
    from ...learning.loop.schedule import Deadline
    from ...learning.search_space import SearchedSetting

__all__ = ["Search", "search", "snapshot_to_search"]

POLL_S = 2.0


@dataclass(frozen=True, slots=True)
class Search:
    """A search: what varies, and for how long.

    Attributes:
        choices: of every trial; the overrides are those that are not searched.
        searched: the settings that vary.
        trials: how many the study is to hold, those of other workers included.
        budget_min: minutes for all of it; None: as long as the trials take.
    """

    choices: TrainingChoices
    searched: "Sequence[SearchedSetting]"
    trials: int
    budget_min: float | None = None

    def study_name(self, snapshot: Snapshot) -> str:
        """Return the name that equal searches on the same rows share, whoever runs them and for how long."""
        what = [
            snapshot.id,
            [str(setting) for setting in self.searched],
            self.choices.model_dump(mode="json", include={"base_model", "seed", "method", "overrides"}),
        ]
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
        return f"{snapshot.manifest.project.key}-{digest[:16]}"


def snapshot_to_search(services: Services, project_id: int | None, folder: Path | None) -> Snapshot:
    """Return the snapshot in the folder; without one, a project's reviewed tasks as they are now.

    Raises:
        ProjectNotFound: the project is not connected.
        SnapshotError: the snapshot is damaged, or no task is reviewed.
        StudioError: Label Studio cannot be read.
    """
    if folder is not None:
        return Snapshot(folder, SnapshotFolder(folder).manifest())
    project = services.database.projects.get(project_id or 0)
    return export_project(services, project, is_for_training=False)


def search(services: Services, snapshot: Snapshot, wanted: Search, report: ProgressCallback) -> Mapping[str, Any]:
    """Try settings until the study holds as many trials as wanted, or the time is over; return what was found, as JSON.

    Several workers with the same snapshot and search share the trials. One that was killed goes on where it was. The
    trial of the defaults is always finished.

    Args:
        report: called before and after every trial.

    Raises:
        ConfigurationError: a control is answered with a text.
        TrainingError: nothing can be trained or scored, or the trial of the defaults failed.
        EncoderError: the base model cannot be loaded.
        DatabaseUnavailable: the database with the trials does not answer.
    """
    from ...learning.loop.schedule import Deadline
    from ...learning.overrides import settings_from
    from .trials import TrialRunner

    deadline = None if wanted.budget_min is None else Deadline.after(60 * wanted.budget_min)
    choices, key = wanted.choices, snapshot.manifest.project.key
    settings, _ = settings_from(choices.method, choices.seed, choices.overrides)
    name = wanted.study_name(snapshot)
    folder = services.options.home / "tuning" / name
    scorers = _scorers(services, snapshot, choices, settings, folder=folder, report=report)
    defaults = {
        setting.name: setting.trial_value(value)
        for setting in wanted.searched
        if setting.holds(value := scorers[0].defaults[setting.name])
    }
    study = SharedStudy(
        StudyStore(services.options.database),
        services.database.locks,
        services.tracker,
        name,
        dead_after_s=services.options.jobs.heartbeat_timeout_s,
        defaults=defaults,
        seed=choices.seed,
    )
    with ExitStack() as ending:
        ending.callback(study.close)
        with study.alone():
            run = ending.enter_context(services.tracker.run(key, f"search {name}", resume=study.run_id))
            if study.run_id is None:
                run.log_params({setting.name: str(setting) for setting in wanted.searched} | {"study": name})
                run.log_tags({"snapshot_id": snapshot.id, "method": choices.method})
            study.set_run(run.run_id)
        runner = TrialRunner(
            study,
            scorers,
            wanted.searched,
            settings,
            defaults=defaults,
            start_run=partial(services.tracker.run, key, parent=run.run_id),
            deadline=deadline,
        )
        try:
            while study.default() is None or _is_time_for_another(study, deadline):
                if study.take(wanted.trials, runner.score):
                    report(news_of_trial(study, wanted.trials, scorers[0].metric, deadline))
                elif study.runs_elsewhere() and (deadline is None or deadline.left_s):
                    time.sleep(POLL_S)  # its worker may have died, and then the trial is left to us
                else:
                    break
        except Interrupted:
            report(Progress(1.0, "stopped", "the same command continues the search, with the trial that ran"))
            raise
        except TimeIsOver:
            report(Progress(1.0, "time", "the time is over; the trial that ran is left for the next search"))
        found = findings(study, wanted.searched, scorers, seed=choices.seed)
        run.log_metrics({"score": found["best"]["score"], "default_score": found["default"]["score"]})
        run.log_table(found["trials"], "trials.json")
    facts = {"study": name, "snapshot_id": snapshot.id, "method": choices.method, "tracking_run": study.run_id}
    return {**facts, **found}


def _is_time_for_another(study: SharedStudy, deadline: "Deadline | None") -> bool:
    """True unless the time that is left is less than the quickest complete trial has taken."""
    if deadline is None:
        return True
    return deadline.left_s > min((seconds_of(trial) for trial in study.complete()), default=0.0)


def _scorers(
    services: Services,
    snapshot: Snapshot,
    choices: TrainingChoices,
    settings: "TrainingSettings",
    *,
    folder: Path,
    report: ProgressCallback,
) -> "list[SettingsScorer]":
    from ...learning.classification.scorer import SettingsScorer
    from ...models.graphs.store import GraphStore
    from ...models.text.torch_encoder import TextEncoder

    plan = plan_of(snapshot.manifest)
    if written := [served.name for served in plan.controls if not served.kind.has_labels]:
        raise ConfigurationError(
            f"{', '.join(written)} is answered with a text, and its training shares settings with that of labels; "
            "wanted for a search a project whose controls are all answered with labels"
        )
    report(Progress(0.0, "audit", "an audit weighs the train rows, as before a training"))
    folder.mkdir(parents=True, exist_ok=True)
    train, _ = rows_by_trust(services, snapshot, folder, settings.suspects, base_model=choices.base_model)
    validation = list(SnapshotFolder(snapshot.path).rows(Split.VALIDATION))
    parts, _ = learnable_parts(plan, train, validation, ProposedRows(), settings.method)
    report(Progress(0.0, "features", f"{choices.base_model} reads {len(parts[0].train)} train rows"))
    encoder = TextEncoder.load(choices.base_model, max_length_tokens=settings.max_length_tokens)
    graphs = GraphStore(services.options.graphs_folder) if services.options.serving.exports_graphs else None
    return [SettingsScorer(encoder, data, settings, graphs) for data in parts]
