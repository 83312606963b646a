"""What every workflow is given: the outside, through its ports, and the plain values it needs of the settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ..domain.addresses import WEBHOOK_USER
from ..domain.ports import JobLauncher, Predictor, Studio, Tracker
from ..domain.project import Project
from ..domain.snapshot import SplitFractions
from ..hooks import Hooks
from ..serving.alarms import Alarms
from ..serving.answer_cache import AnswerCache
from ..serving.champions import Champions
from ..serving.model_versions import ModelVersions
from ..storage import Database

__all__ = ["WEBHOOK_USER", "BackendAccess", "Options", "Services"]


@dataclass(frozen=True, slots=True)
class BackendAccess:
    """How Label Studio reaches this backend.

    Attributes:
        password: of the basic auth, "" where none is asked for.
        webhook_password: of the event webhook, "" likewise; it may only post events.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    webhook_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Options:
    """Settings that workflows need, as plain values. The README's table says what each means.

    Attributes:
        job_patience_s: how long a job retries calls to what cannot be reached; 0: it fails at once.
        exports_graphs: trainings write model graphs that serve without torch.
    """

    home: Path
    backend: BackendAccess
    base_model: str
    split: SplitFractions
    review_rule: str
    trust_ground_truth: bool
    seed: int
    retrain_after: int
    retrain_debounce_s: float
    retrain_interval_s: float
    job_heartbeat_timeout_s: float
    job_attempts: int
    jobs_at_once: int
    auto_push: bool
    audit_after_training: bool
    push_flags_at_most: int
    flag_precision_floor: float
    job_patience_s: float = 0.0
    text_base_model: str = ""
    exports_graphs: bool = False

    @property
    def graphs(self) -> Path:
        """Folder of what versions over one base model share when they are computed without torch."""
        return self.home / "graphs"

    @property
    def snapshots(self) -> Path:
        """Folder that holds all snapshots."""
        return self.home / "snapshots"


@dataclass(frozen=True, slots=True)
class Services:
    """Live objects. `bootstrap` builds them for real; tests hand in fakes.

    Attributes:
        versions: all model versions, and which of them serves.
        champions: the predictors of this process.
        load_predictor: makes a predictor from a serving bundle.
        cold_start: makes the predictor that answers a project before its first model.
        hooks: other people's code at the loop's turning points.
        answers: the answers that champions and cold starts of this process have given.
        alarms: the current alarms of this process.
    """

    options: Options
    database: Database
    studio: Studio
    tracker: Tracker
    versions: ModelVersions
    launcher: JobLauncher
    champions: Champions
    load_predictor: Callable[[Path], Predictor]
    cold_start: Callable[[Project], Predictor]
    clock: Callable[[], datetime]
    hooks: Hooks = field(default_factory=Hooks)
    answers: AnswerCache = field(default_factory=lambda: AnswerCache(0))
    alarms: Alarms = field(default_factory=Alarms)
