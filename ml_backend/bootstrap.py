"""Options in, live services out: the one place where objects are built."""

import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .domain.model import ModelVersion
from .domain.ports import JobLauncher, Predictor
from .domain.project import Project
from .domain.sharing import ShareWork, keep_work
from .errors import ConfigurationError, TextServerError
from .hooks.manager import Hooks, load_hooks
from .hooks.notifier import WebhookNotifier
from .hooks.redaction import Redaction
from .jobs.launcher import SubprocessLauncher
from .labelstudio.client import StudioClient
from .labelstudio.plans import plan_of
from .log_lines import LineFormatter
from .options import PREFIX, Options
from .serving.alarms import Alarms
from .serving.answer_cache import AnswerCache, CachedPredictor
from .serving.champions import Champions
from .serving.model_versions import ModelVersions
from .storage.database import open_database
from .storage.shared_folders import SharedFolders
from .tracking.mlflow import MlflowTracker
from .tracking.registry import MlflowRegistry
from .workflows.project_options import ProjectOptions
from .workflows.services import Services

if TYPE_CHECKING:
    from .models.text.encoder import Encoder
    from .serving.cold_start import ColdStartPredictor
    from .serving.drafts import Writer
    from .serving.engines import Engines
    from .serving.openai_server import OpenAiServer

__all__ = ["build_services", "configure_logging", "prompted_server"]

log = logging.getLogger(__name__)

MB = 1_000_000
PROMPT_ATTEMPTS = 5


def build_services(options: Options, *, launcher: JobLauncher | None = None) -> Services:
    """Return services for these options. Nothing heavy is imported, and nobody is contacted, until it is needed.

    Args:
        launcher: replaces the one that starts child processes.

    Raises:
        ConfigurationError: the database cannot be opened, or a hook cannot be used.
    """
    home = options.home
    home.mkdir(parents=True, exist_ok=True)
    database, alarms = open_database(options.database, _utc_now), Alarms()
    mlflow = MlflowRegistry(options.mlflow, cache=home / "models")
    shared = SharedFolders(options.shared.url, home / "shared", options.shared.cache_mb * MB)
    versions = ModelVersions(database.versions, mlflow, home, shared)
    answers = AnswerCache(options.serving.prediction_cache_mb * MB)
    options_of = ProjectOptions(options, database.settings).of
    predictors = _Predictors(options, options_of, answers)
    return Services(
        options=options,
        database=database,
        studio=StudioClient(options.studio.url, options.studio.token.get_secret_value(), options.studio.timeout_s),
        tracker=MlflowTracker(options.mlflow, artifact_root=home / "artifacts"),
        versions=versions,
        launcher=launcher or _launcher(options),
        champions=Champions(
            versions,
            predictors.champion,
            predictors.cold_start,
            alarms,
            memory_of=lambda predictor: predictor.memory if isinstance(predictor, CachedPredictor) else {},
            limit_bytes=options.serving.model_memory_mb * MB,
        ),
        load_predictor=partial(load_bundle_predictor, runtime=options.serving.runtime),
        cold_start=partial(_cold_start, options_of),
        text_server=partial(prompted_server, options),
        clock=_utc_now,
        hooks=_hooks(options),
        answers=answers,
        alarms=alarms,
        shared=shared,
        share=_share(options),
    )


def _launcher(options: Options) -> JobLauncher:
    environment = options.environment()
    if options.jobs.launcher == "process":
        return SubprocessLauncher(options.home, environment)
    from .jobs.ray_launcher import RayLauncher

    def resources(kind: str) -> dict[str, float]:
        return options.ray.resources_of(kind, cpus=options.jobs.train_processes if kind == "train" else 1)

    return RayLauncher(options.home, environment, options.ray.address, resources)


def _share(options: Options) -> ShareWork:
    if options.jobs.launcher == "process":
        return keep_work
    from .jobs.ray_sharing import share_on_ray

    return partial(share_on_ray, options.ray.address, options.ray.resources_of)


def load_bundle_predictor(path: Path, runtime: str) -> Predictor:
    """Load a serving bundle for measuring: without a time budget, since scores must not depend on the machine's speed.

    Args:
        runtime: of what writes, which is measured as it serves.
    """
    from .serving.bundle_predictor import BundlePredictor

    return BundlePredictor(path, runtime=runtime)


class _Predictors:
    """Makes the predictors of a serving process.

    They share engines and cached answers, have a time budget per draft, and are warm: the first request is answered as
    fast as any other. A text server may write the drafts.
    """

    def __init__(self, options: Options, options_of: Callable[[int], Options], answers: AnswerCache) -> None:
        self._options, self._options_of, self._answers = options, options_of, answers
        self._lock = threading.Lock()
        self._opened: Engines | None = None

    def champion(self, path: Path) -> Predictor:
        """Return the predictor of a bundle."""
        from .serving.bundle_predictor import BundlePredictor

        budget_s = self._options.serving.draft_budget_s
        predictor = BundlePredictor(
            path,
            engines=self._engines(),
            runtime=self._options.serving.runtime,
            budget_s=budget_s,
            remote=self._remote,
        )
        predictor.warm_up()
        return CachedPredictor(predictor, self._answers)

    def cold_start(self, project: Project) -> Predictor:
        """Return the predictor of a project before its first version."""
        base_model = self._options_of(project.id).models.base_model
        predictor = _cold_start(self._options_of, project, self._engines().encoder(base_model))
        predictor.warm_up()
        # Hints of labels do not change the version, and do change the answers.
        return CachedPredictor(predictor, self._answers, known_as=f"{predictor.version} {project.label_config}")

    def _engines(self) -> "Engines":
        from .serving.engines import Engines

        with self._lock:
            if self._opened is None:
                self._opened = Engines(self._options.graphs_folder, self._options.serving.runtime)
            return self._opened

    def _remote(self, version: str) -> "Writer | None":
        """Return the text server, where it has a model of the version's name."""
        if not self._options.text_server.url:
            return None
        server = _text_server(self._options, version)
        try:
            return server if version in server.models() else None
        except TextServerError as error:
            log.warning("%s writes its drafts by itself: %s", version, error)
            return None


def _text_server(options: Options, model: str | None) -> "OpenAiServer":
    """Return the OpenAI-compatible server, which is asked for this model; None: for its only one."""
    from .serving.openai_server import OpenAiServer

    key = options.text_server.key.get_secret_value()
    return OpenAiServer(options.text_server.url, model, key or None, budget_s=options.serving.draft_budget_s)


def prompted_server(options: Options, model: str | None = None) -> "OpenAiServer":
    """Return the OpenAI-compatible server as prompts are put to it: with more patience than drafts, which people await.

    Args:
        model: as the server names it; None: that of the settings, or its only one.

    Raises:
        ConfigurationError: the settings name none.
    """
    from .serving.openai_server import OpenAiServer

    server = options.text_server
    if not server.url:
        raise ConfigurationError(
            f"no text server found; wanted {PREFIX}TEXT_SERVER_URL, the URL of an OpenAI-compatible server such as "
            "http://localhost:8000/v1, which gets the texts"
        )
    key = server.key.get_secret_value()
    return OpenAiServer(
        server.url,
        model or server.model or None,
        key or None,
        budget_s=options.prompts.timeout_s,
        concurrency=options.prompts.at_once,
        attempts=PROMPT_ATTEMPTS,
    )


def _cold_start(
    options_of: Callable[[int], Options], project: Project, encoder: "Encoder | None" = None
) -> "ColdStartPredictor":
    """Return the predictor of a project before its first version.

    Args:
        options_of: returns the options of a project.
        encoder: the base model's; None: torch's, since scores must not depend on the machine.
    """
    from .serving.cold_start import ColdStartPredictor, shared_encoder

    plan, options = plan_of(project), options_of(project.id)
    version = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
    return ColdStartPredictor(version, plan, encoder or shared_encoder(options.models.base_model), _writer(options))


def _writer(options: Options) -> "Writer | None":
    """Return the writer of drafts before the first version; None: there is none."""
    from .serving.drafts import shared_writer

    if options.text_server.url:
        return _text_server(options, options.text_server.model or None)
    if not options.models.text_base_model:
        return None
    return shared_writer(
        options.models.text_base_model,
        options.serving.draft_budget_s,
        graphs=options.graphs_folder,
        runtime=options.serving.runtime,
    )


def configure_logging(level: str) -> None:
    """Log to standard error, one record per line; libraries' messages only from WARNING up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(LineFormatter.FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("ml_backend").setLevel(level)


def _hooks(options: Options) -> Hooks:
    extensions = options.extensions
    shipped: dict[str, object] = {}
    if options.redaction.redact:
        shipped[Hooks.REDACTION] = Redaction(options.redaction.redact, options.redaction.redact_region)
    if extensions.notify_url:
        shipped["notify"] = WebhookNotifier(extensions.notify_url, extensions.notify_secret.get_secret_value())
    return load_hooks(extensions.hooks, extensions.hook_timeout_s, shipped)


def _utc_now() -> datetime:
    return datetime.now(UTC)
