"""The services that every workflow gets: the outside, through its ports, and the settings."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.ports import JobLauncher, Predictor, Studio, Tracker
from ..domain.project import Project
from ..domain.sharing import ShareWork, keep_work
from ..hooks.manager import Hooks
from ..options import Options
from ..serving.alarms import Alarms
from ..serving.answer_cache import AnswerCache
from ..serving.champions import Champions
from ..serving.model_versions import ModelVersions
from ..storage.database import Database
from ..storage.shared_folders import SharedFolders
from .project_options import ProjectOptions

if TYPE_CHECKING:
    from ..serving.openai_server import OpenAiServer

__all__ = ["Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """Live objects. `bootstrap` builds them for real; tests hand in fakes.

    Whatever is done for a project is done with `for_project`, so that the project's own settings hold.

    Attributes:
        options: of the backend, or of the project that these services are for.
        versions: all model versions, and which of them serves.
        champions: the predictors of this process.
        load_predictor: makes a predictor from a serving bundle.
        cold_start: makes the predictor that answers a project before its first model.
        text_server: gives the server that prompts are put to, for a model's name or for None.
        hooks: other people's code at the loop's turning points.
        answers: the answers that champions and cold starts of this process have given.
        alarms: the current alarms of this process.
        shared: snapshots and versions, for all machines.
        share: lets other machines do parts of a job.
        project_id: the project that these services are for; 0: the backend, and work on files.
        backend: the services that those of a project were made from.
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
    text_server: "Callable[[str | None], OpenAiServer]"
    clock: Callable[[], datetime]
    hooks: Hooks = field(default_factory=Hooks)
    answers: AnswerCache = field(default_factory=lambda: AnswerCache(0))
    alarms: Alarms = field(default_factory=Alarms)
    shared: SharedFolders = field(default_factory=SharedFolders)
    share: ShareWork = keep_work
    project_id: int = 0
    backend: "Services | None" = None
    _options_of: ProjectOptions = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_options_of", ProjectOptions(self.options, self.database.settings))

    def for_project(self, project_id: int) -> "Services":
        """Return these services with the settings that hold for a project at this moment.

        Services that are for the project already stay as they are: a job works with one set of settings from its start
        to its end.
        """
        if project_id == self.project_id:
            return self
        if self.backend is not None:
            return self.backend.for_project(project_id)
        options = self._options_of.of(project_id)
        hooks = self.hooks
        if options.redaction != self.options.redaction:
            hooks = hooks.with_redaction(options.redaction.redact, options.redaction.redact_region)
        return replace(self, options=options, hooks=hooks, project_id=project_id, backend=self)

    def close(self) -> None:
        """Close the connections to Label Studio and to the database."""
        self.studio.close()
        self.database.close()
