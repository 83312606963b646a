"""Settings in, live services out: the one place where objects are built."""

import logging
import sys
import threading
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .config import Settings
from .domain.model import cold_start_version
from .domain.ports import JobLauncher, Predictor
from .domain.project import Project
from .errors import TextServerError
from .hooks import Hooks, load_hooks
from .hooks.notifier import WebhookNotifier
from .hooks.redaction import Redaction
from .jobs.launcher import SubprocessLauncher
from .labelstudio.client import StudioClient
from .labelstudio.label_config_xml import parse_label_config
from .log_lines import LINE_FORMAT, LineFormatter
from .serving.alarms import Alarms
from .serving.answer_cache import AnswerCache, CachedPredictor
from .serving.champions import Champions
from .serving.durable_registry import DurableRegistry
from .storage import open_database
from .tasks import serving_plan
from .tracking.mlflow import MlflowRegistry, MlflowTracker
from .workflows.services import BackendAccess, Options, Services

if TYPE_CHECKING:
    from .models.text.encoder import Encoder
    from .serving.cold_start import ColdStartPredictor
    from .serving.drafts import Writer
    from .serving.engines import Engines
    from .serving.openai_server import OpenAiServer

__all__ = ["build_services", "configure_logging"]

log = logging.getLogger(__name__)

MB = 1_000_000


def build_services(settings: Settings, *, launcher: JobLauncher | None = None) -> Services:
    """Services for these settings. Nothing heavy is imported, and nobody is contacted, until it is needed.

    Args:
        launcher: replaces the one that starts child processes.

    Raises:
        ConfigurationError: the database cannot be opened, or a hook cannot be used.
    """
    home = settings.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    database, alarms = open_database(settings.database, _utc_now), Alarms()
    mlflow = MlflowRegistry(settings.mlflow, cache=home / "models")
    registry = DurableRegistry(mlflow, database.versions, home, alarms)
    options = _options(settings, home)
    answers = AnswerCache(settings.prediction_cache_mb * MB)
    serving = _Serving(settings, options.graphs, answers)
    return Services(
        options=options,
        database=database,
        studio=StudioClient(settings.studio_url, settings.studio_token.get_secret_value(), settings.studio_timeout_s),
        tracker=MlflowTracker(settings.mlflow, artifact_root=home / "artifacts"),
        registry=registry,
        launcher=launcher or SubprocessLauncher(home, settings.environment()),
        champions=Champions(
            registry,
            serving.champion,
            serving.cold_start,
            alarms,
            earlier=registry.earlier,
            memory_of=_memory_of,
            limit_bytes=settings.model_memory_mb * MB,
        ),
        load_predictor=load_bundle_predictor,
        cold_start=partial(_cold_start, settings),
        clock=_utc_now,
        hooks=_hooks(settings),
        answers=answers,
        alarms=alarms,
    )


def load_bundle_predictor(path: Path) -> Predictor:
    """A predictor from a serving bundle, which takes its time: what is measured must not depend on the machine."""
    from .serving.bundle_predictor import BundlePredictor

    return BundlePredictor(path)


class _Serving:
    """Makes the predictors of a serving process.

    They share engines and answers, have a time budget per draft, which a server of texts may write, and are ready to
    answer their first request as fast as any other.
    """

    def __init__(self, settings: Settings, graphs: Path, answers: AnswerCache) -> None:
        self._settings, self._graphs, self._answers = settings, graphs, answers
        self._lock = threading.Lock()
        self._opened: Engines | None = None

    def champion(self, path: Path) -> Predictor:
        """The predictor of a bundle."""
        from .serving.bundle_predictor import BundlePredictor

        budget_s = self._settings.draft_budget_s
        predictor = BundlePredictor(path, engines=self._engines(), budget_s=budget_s, remote=self._remote)
        predictor.warm_up()
        return CachedPredictor(predictor, self._answers)

    def cold_start(self, project: Project) -> Predictor:
        """The predictor of a project before its first version."""
        predictor = _cold_start(self._settings, project, self._engines().encoder(self._settings.base_model))
        predictor.warm_up()
        # Hints of labels do not change the version, and do change the answers.
        return CachedPredictor(predictor, self._answers, known_as=f"{predictor.version} {project.label_config}")

    def _engines(self) -> "Engines":
        from .serving.engines import Engines

        with self._lock:
            if self._opened is None:
                self._opened = Engines(self._graphs, self._settings.runtime)
            return self._opened

    def _remote(self, version: str) -> "Writer | None":
        """The server of texts, where it has a model of the version's name."""
        if not self._settings.text_server_url:
            return None
        server = _text_server(self._settings, version)
        try:
            return server if version in server.models() else None
        except TextServerError as error:
            log.warning("%s writes its drafts by itself: %s", version, error)
            return None


def _text_server(settings: Settings, model: str | None) -> "OpenAiServer":
    """The OpenAI-compatible server of the settings, to be asked for a model; None: its only one."""
    from .serving.openai_server import OpenAiServer

    key = settings.text_server_key.get_secret_value()
    return OpenAiServer(settings.text_server_url, model, key or None, budget_s=settings.draft_budget_s)


def _cold_start(settings: Settings, project: Project, encoder: "Encoder | None" = None) -> "ColdStartPredictor":
    """What answers a project before its first version.

    Args:
        encoder: of the base model; None: torch's, for what is measured must not depend on the machine.
    """
    from .serving.cold_start import ColdStartPredictor, shared_encoder

    plan = serving_plan(parse_label_config(project.label_config))
    version = cold_start_version(project.ref.key, project.label_config_fingerprint)
    return ColdStartPredictor(version, plan, encoder or shared_encoder(settings.base_model), _writer(settings))


def _writer(settings: Settings) -> "Writer | None":
    """What drafts before the first version."""
    from .serving.drafts import shared_writer

    if settings.text_server_url:
        return _text_server(settings, settings.text_server_model or None)
    if not settings.text_base_model:
        return None
    return shared_writer(settings.text_base_model, settings.draft_budget_s)


def _memory_of(predictor: Predictor) -> Mapping[Hashable, int]:
    return predictor.memory if isinstance(predictor, CachedPredictor) else {}


def configure_logging(level: str) -> None:
    """Log to standard error, one record per line; libraries' messages only from WARNING up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(LINE_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("ml_backend").setLevel(level)


def _hooks(settings: Settings) -> Hooks:
    shipped: dict[str, object] = {}
    if settings.redact:
        shipped["redaction"] = Redaction(settings.redact, settings.redact_region)
    if settings.notify_url:
        shipped["notify"] = WebhookNotifier(settings.notify_url, settings.notify_secret.get_secret_value())
    return load_hooks(settings.hooks, settings.hook_timeout_s, shipped)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _options(settings: Settings, home: Path) -> Options:
    return Options(
        home=home,
        backend=BackendAccess(
            url=settings.backend_url,
            user=settings.user if settings.password.get_secret_value() else "",
            password=settings.password.get_secret_value(),
            webhook_password=settings.webhook_password.get_secret_value(),
        ),
        base_model=settings.base_model,
        split=settings.split,
        review_rule=settings.review_rule,
        trust_ground_truth=settings.trust_ground_truth,
        seed=settings.seed,
        retrain_after=settings.retrain_after,
        retrain_debounce_s=settings.retrain_debounce_s,
        retrain_interval_s=settings.retrain_interval_s,
        job_heartbeat_timeout_s=settings.job_heartbeat_timeout_s,
        job_attempts=settings.job_attempts,
        job_patience_s=settings.job_patience_s,
        jobs_at_once=settings.jobs_at_once,
        auto_push=settings.auto_push,
        audit_after_training=settings.audit_after_training,
        push_flags_at_most=settings.push_flags_at_most,
        flag_precision_floor=settings.flag_precision_floor,
        text_base_model=settings.text_base_model,
        exports_graphs=settings.runtime != "torch",
    )
