"""Alarms: current problems of this process that need an operator, shown by `/health`, the admin's page and metrics."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

__all__ = ["AlarmKind", "Alarms"]

log = logging.getLogger(__name__)


class AlarmKind(StrEnum):
    """The subjects of alarms.

    STATE: the database that holds the state. MODEL: a champion's files.
    """

    STATE = "state"
    MODEL = "model"


class Alarms:
    """The current alarms, at most one per kind and subject. Their start and end are logged. Threads may share it."""

    def __init__(self) -> None:
        self._sentences: dict[tuple[AlarmKind, str], str] = {}
        self._guard = threading.Lock()

    def begin(self, kind: AlarmKind, about: str, sentence: str) -> None:
        """Raise an alarm; one that is raised already only gets the new sentence.

        Args:
            about: the subject that distinguishes alarms of this kind, such as a project's key.
        """
        with self._guard:
            is_new = (kind, about) not in self._sentences
            self._sentences[kind, about] = sentence
        if is_new:
            log.error("%s", sentence)

    def end(self, kind: AlarmKind, about: str) -> None:
        """End an alarm, as all is well again."""
        with self._guard:
            sentence = self._sentences.pop((kind, about), None)
        if sentence is not None:
            log.warning("this is over: %s", sentence)

    def about(self, kind: AlarmKind, about: str) -> str | None:
        """Return the sentence of one alarm; None where it is not raised."""
        return self._sentences.get((kind, about))

    def sentences(self) -> list[str]:
        """Return the sentences of all alarms, in the order in which they began."""
        with self._guard:
            return list(self._sentences.values())

    def counts(self) -> Mapping[AlarmKind, int]:
        """Return the number of alarms per kind."""
        with self._guard:
            counts = Counter(kind for kind, _ in self._sentences)
        return {kind: counts[kind] for kind in AlarmKind}
