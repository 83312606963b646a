"""The base of all checks of `doctor`: run them in order, and let no broken link hide another."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from ...domain.annotation import ProjectInfo, Task
from ...domain.project import Project
from ...errors import LabelloopError
from ..connecting.connect import TASKS_READ, own_row
from ..connecting.webhook import same_address, webhook_url
from ..services import Services
from .probe import BackendProbe

__all__ = ["Check", "Examination", "Finding", "State"]

log = logging.getLogger(__name__)


class State(StrEnum):
    """The condition of a link of the chain. SKIPPED: it could not be looked at, because another one is broken."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check of one link of the chain.

    Attributes:
        check: its name; empty until the check is over.
        found: what was found, in a sentence.
        fix: exactly what to do; empty where nothing is to be done.
        project_id: the project it is about, None for what all projects share.
        because: names of the broken links that kept this one from being looked at.
    """

    check: str
    state: State
    found: str
    fix: str = ""
    project_id: int | None = None
    because: tuple[str, ...] = ()

    @property
    def is_in_the_way(self) -> bool:
        """True where checks that need this link can find nothing out."""
        return self.state in (State.BROKEN, State.SKIPPED)

    @classmethod
    def fine(cls, sentence: str) -> "Finding":
        """Return that nothing is to be done."""
        return cls("", State.OK, sentence)

    @classmethod
    def warning(cls, sentence: str, fix: str) -> "Finding":
        """Return that it works, though not as well as it could."""
        return cls("", State.WARNING, sentence, fix)

    @classmethod
    def broken(cls, sentence: str, fix: str) -> "Finding":
        """Return that it does not work."""
        return cls("", State.BROKEN, sentence, fix)


class Examination:
    """The subject of one project's checks. Each thing is fetched once, by the first check that needs it.

    Args:
        project_id: None where it is about what all projects share.
    """

    def __init__(self, services: Services, probe: BackendProbe, project_id: int | None = None) -> None:
        self.services = services
        self.probe = probe
        self._project_id = project_id

    def run(self, checks: "Iterable[Check]", earlier: Sequence[Finding] = ()) -> list[Finding]:
        """Return one finding per check, in order.

        Args:
            earlier: findings that `needs` may name as well.
        """
        blocked = {finding.check: finding.because or (finding.check,) for finding in earlier if finding.is_in_the_way}
        findings = []
        for check in checks:
            because = tuple(dict.fromkeys(cause for name in check.needs for cause in blocked.get(name, ())))
            outcome = _skipped(because) if because else _run(check, self)
            finding = replace(outcome, check=check.name, project_id=self._project_id, because=because)
            if finding.is_in_the_way:
                blocked[check.name] = because or (check.name,)
            findings.append(finding)
        return findings

    @property
    def project_id(self) -> int:
        """The project under examination; 0 where it is about what all projects share."""
        return self._project_id or 0

    @cached_property
    def info(self) -> ProjectInfo:
        """The project as Label Studio has it."""
        return self.services.studio.project(self.project_id)

    @cached_property
    def project(self) -> Project:
        """The project as this backend remembers it."""
        return self.services.database.projects.get(self.project_id)

    @cached_property
    def first_tasks(self) -> Sequence[Task]:
        """The first tasks of the project."""
        return self.services.studio.first_tasks(self.project_id, TASKS_READ)

    @cached_property
    def version(self) -> str:
        """The version that serves."""
        return self.services.versions.serving(self.project)

    @cached_property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The project's backends in Label Studio, which asks each of them for its state meanwhile."""
        return self.services.studio.backends(self.project_id)

    @cached_property
    def row(self) -> Mapping[str, Any] | None:
        """The row of this backend among a project's backends."""
        return own_row(self.rows, self.services.database.projects.find(self.project_id), self.services.options.backend)

    @cached_property
    def webhooks(self) -> Sequence[Mapping[str, Any]]:
        """All webhooks of the project."""
        return self.services.studio.webhooks(self.project_id)

    @property
    def own_webhooks(self) -> list[Mapping[str, Any]]:
        """The webhooks that lead to this backend."""
        url = webhook_url(self.services.options.backend)
        return [hook for hook in self.webhooks if same_address(hook["url"], url)]

    @cached_property
    def unpredicted(self) -> int:
        """Unlabeled tasks without a pre-label of the serving version; counting stops one above a thousand."""
        tasks = self.services.studio.tasks_without_prediction(self.project_id, self.version)
        return sum(1 for _ in zip(range(1001), tasks, strict=False))


@dataclass(frozen=True, slots=True)
class Check:
    """One link to look at.

    Attributes:
        needs: names of the checks without which this one can find nothing out.
        fix: what to do where the check itself fails.
    """

    name: str
    run: Callable[[Examination], Finding]
    needs: tuple[str, ...] = ()
    fix: str = "do what the message says, then run `labelloop doctor` again"


def _skipped(because: Sequence[str]) -> Finding:
    are = "is" if len(because) == 1 else "are"
    return Finding("", State.SKIPPED, f"not looked at while {' and '.join(because)} {are} broken")


def _run(check: Check, examination: Examination) -> Finding:
    try:
        return check.run(examination)
    except LabelloopError as error:
        return Finding.broken(str(error), check.fix)
    except Exception as error:
        # A check looks at what may be broken in any way at all, and must not keep the others from running.
        log.info("the check %s failed", check.name, exc_info=True)
        return Finding.broken(f"{type(error).__name__}: {error}", check.fix)
