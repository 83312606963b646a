"""What is wrong in this process at the moment, and that somebody has to see to: for `/health`, the page and metrics."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

__all__ = ["AlarmKind", "Alarms"]

log = logging.getLogger(__name__)


class AlarmKind(StrEnum):
    """What an alarm is about.

    STATE: the database that holds the state. REGISTRY: what MLflow says of a champion. MODEL: a champion's files.
    """

    STATE = "state"
    REGISTRY = "registry"
    MODEL = "model"


class Alarms:
    """At most one of a kind about one thing. Each is logged when it begins, and when it is over. Safe to share."""

    def __init__(self) -> None:
        self._sentences: dict[tuple[AlarmKind, str], str] = {}
        self._guard = threading.Lock()

    def begin(self, kind: AlarmKind, about: str, sentence: str) -> None:
        """Say that something is wrong; one that is known already is only worded anew.

        Args:
            about: what tells alarms of this kind apart, such as a project's key.
        """
        with self._guard:
            is_new = (kind, about) not in self._sentences
            self._sentences[kind, about] = sentence
        if is_new:
            log.error("%s", sentence)

    def end(self, kind: AlarmKind, about: str) -> None:
        """Say that it is well again."""
        with self._guard:
            sentence = self._sentences.pop((kind, about), None)
        if sentence is not None:
            log.warning("this is over: %s", sentence)

    def about(self, kind: AlarmKind, about: str) -> str | None:
        """What is wrong with one thing; None where it is well."""
        return self._sentences.get((kind, about))

    def sentences(self) -> list[str]:
        """Everything that is wrong, in the order in which it began."""
        with self._guard:
            return list(self._sentences.values())

    def counts(self) -> Mapping[AlarmKind, int]:
        """Alarms per kind."""
        with self._guard:
            found = Counter(kind for kind, _ in self._sentences)
        return {kind: found[kind] for kind in AlarmKind}
