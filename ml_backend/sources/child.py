"""The process in which sources read texts, so that nothing they do harms the one that asks for it.

It is started by `runner` and talks with it in JSON over a connection. Before each call of a source it writes into
memory that both share what it is about to do. So the parent knows what a process was doing that hangs or died, also
inside a regular expression, where no signal and no other thread of Python gets in.
"""

import faulthandler
import json
import mmap
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from ..domain.field_texts import field_texts, readable_text
from ..domain.source import AnswerForm
from ..errors import SourceError
from .kinds.base import AskedControl, Loading, SourceKind
from .kinds.rationales import line_of
from .text import Examples, TaskText

__all__ = ["LAYOUT", "Doing"]

MOST_VOTES = 1000
LAYOUT = struct.Struct("<iiq")
"""How `Doing` lies in the shared memory."""


class Doing(NamedTuple):
    """The present work of a process, as both see it.

    Attributes:
        unit: the number of the voter that reads; -1 for none.
        text: the number of the text in its batch.
        step: grows with each change.
    """

    unit: int = -1
    text: int = -1
    step: int = 0

    @staticmethod
    def read(board: mmap.mmap) -> "Doing":
        """Return what a process is doing."""
        return Doing(*LAYOUT.unpack_from(board))


def main() -> None:
    """Load the sources that the first message names, then answer each batch of texts with votes and faults."""
    connection, board = Connection(int(sys.argv[1])), mmap.mmap(int(sys.argv[2]), LAYOUT.size)
    reader = _SourceReader(board, connection, json.loads(connection.recv_bytes()))
    while True:
        try:
            batch = json.loads(connection.recv_bytes())
        except EOFError:
            # Threads and exit handlers of the analyst's code must not keep the process.
            os._exit(0)
        _send(connection, reader.read(batch["texts"], batch["closeness"], set(batch["off"])))


def _send(connection: Connection, message: Mapping[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


class _SourceReader:
    """The loaded sources, and the way in which they read a batch."""

    def __init__(self, board: mmap.mmap, connection: Connection, setup: Mapping[str, Any]) -> None:
        self._write: Callable[[int, int, int], None] = lambda *now: LAYOUT.pack_into(board, 0, *now)
        self._count = 0
        self._orphan_s = float(setup["orphan_s"])
        self._folder, self._skipped = Path(setup["folder"]), set(setup["skipped"])
        TaskText.knows_negations = bool(setup["knows_negations"])
        controls = [AskedControl(**{**each, "form": AnswerForm(each["form"])}) for each in setup["controls"]]
        loading = Loading(self._folder, controls, setup["marked"], lambda name: self._begin(name, connection))
        self._voters = [voter for kind in SourceKind.all().values() for voter in kind().load(loading)]
        self._first = [sum(len(each.sources) for each in self._voters[:i]) for i in range(len(self._voters))]
        _send(
            connection,
            {
                "voters": [[_facts(source) for source in voter.sources] for voter in self._voters],
                "faults": [_facts(fault) for fault in loading.faults],
                "examples": [each.texts for each in Examples.made],
            },
        )

    def _begin(self, file: str, connection: Connection) -> bool:
        """Tell the parent of a file, in case that it hangs or ends the process."""
        if file in self._skipped:
            return False
        _send(connection, {"loading": file})
        return True

    def read(self, texts: Sequence[str], closeness: Sequence[Sequence[float]], off: set[int]) -> dict[str, Any]:
        """Return the votes on texts, and what went wrong, once per source, place and problem."""
        votes: list[tuple[int, int, str, int, int]] = []
        faults: dict[tuple[int, str, str], list[int]] = {}
        prepared: dict[tuple[str, str, bool], list[TaskText]] = {}
        for unit, voter in enumerate(self._voters):
            if unit in off:
                continue
            # Should the parent be gone, and this source never return, this ends the process; no other way would.
            faulthandler.dump_traceback_later(self._orphan_s, exit=True)
            key = (voter.language, voter.control.field, voter.control.form is AnswerForm.SPANS)
            if key not in prepared:
                prepared[key] = [_text(text, *key, close) for text, close in zip(texts, closeness, strict=True)]
            for number, text in enumerate(prepared[key]):
                self._count += 1
                self._write(unit, number, self._count)
                try:
                    found = list(voter.votes(text))
                    if len(found) > MOST_VOTES:
                        raise SourceError(f"{len(found)} votes on one text; wanted at most {MOST_VOTES}")
                except BaseException as error:
                    place = line_of(error, self._folder, voter.sources[0].place)
                    named = "" if isinstance(error, SourceError) else f"{type(error).__name__}: "
                    faults.setdefault((unit, place, f"{named}{error}"[:300]), []).append(number)
                    continue
                votes += [(self._first[unit] + k, number, label, start, end) for k, label, start, end in found]
        faulthandler.cancel_dump_traceback_later()
        self._write(*Doing())
        return {"votes": votes, "faults": [[*key, numbers[0], len(numbers)] for key, numbers in faults.items()]}


def _text(text: str, language: str, field: str, is_marked: bool, closeness: Sequence[float]) -> TaskText:
    """Return a text as the sources of a control get it: the part that is marked, or all as people read it."""
    fields = field_texts(text)
    own = fields.get("" if "" in fields else field, "") if is_marked else readable_text(text)
    return TaskText.of(own, fields, language, closeness)


def _facts(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


if __name__ == "__main__":
    main()
