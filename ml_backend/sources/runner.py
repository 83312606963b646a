"""Read texts with the sources of a folder, in child processes that are watched."""

import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from multiprocessing.connection import Pipe, wait
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from ..arrays import Floats2d
from ..batches import in_batches
from ..domain.field_texts import readable_text
from ..domain.readable import shortened
from ..domain.source import LabelSource, SourceFault
from ..errors import SourceError
from ..measuring.votes import Votes
from .child import LAYOUT, Doing
from .kinds.base import AskedControl

__all__ = ["SourceRunner"]

TEXTS_AT_ONCE = 200
TICK_S = 0.05
BUSY_SHARE, WAITING_TIMES = 0.5, 10
"""A process that computed for less than this share of the limit may be waiting for a core, and gets so many limits."""
LOADING_S = 60.0
"""Longest time for the import of one file."""
MOST_DEATHS = 3
"""Processes that may die in a row while no source was reading, such as for want of memory."""
TEXT_CHARACTERS = 80

Embed = Callable[[Sequence[str]], Floats2d]


class _Child:
    """A child process, what it works on, and since when it has been doing the same thing."""

    def __init__(self, setup: bytes) -> None:
        self.batch: tuple[int, list[str]] | None = None
        self.file = ""
        self.is_loading = True
        self.connection, theirs = Pipe()
        with tempfile.TemporaryFile() as board, theirs:
            board.truncate(LAYOUT.size)
            self._board = mmap.mmap(board.fileno(), LAYOUT.size)
            LAYOUT.pack_into(self._board, 0, *Doing())
            fds = (theirs.fileno(), board.fileno())
            # What settings hold is no business of the analyst's code.
            environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELLOOP_")}
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and our own module)
                # -B: compiled files would litter the folder, and hide an edit within the same second.
                [sys.executable, "-B", "-m", f"{__package__}.child", *map(str, fds)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=fds,
                start_new_session=True,
            )
        self._usage = psutil.Process(self._process.pid)
        self._send(setup)
        self._last, self._since, self._busy_s = Doing(), time.monotonic(), 0.0

    def read(self, number: int, texts: list[str], closeness: Sequence[Sequence[float]], off: Iterable[int]) -> None:
        """Give it texts to read."""
        self.batch = number, texts
        self._send(json.dumps({"texts": texts, "closeness": closeness, "off": sorted(off)}).encode())
        self._progress(Doing())

    def answer(self) -> dict[str, Any] | None:
        """Return its next message; None where it died."""
        try:
            message: dict[str, Any] = json.loads(self.connection.recv_bytes())
        except (EOFError, OSError, ValueError):
            return None
        self._progress(self._last)
        return message

    @property
    def doing(self) -> Doing:
        """Its present work, or its last when it died."""
        return Doing.read(self._board)

    def is_stuck(self, limit_s: float) -> bool:
        """Return True where it has been doing the same thing for longer than that, unless it waits for work."""
        if not self.is_loading and self.batch is None:
            return False
        if self.doing != self._last:
            self._progress(self.doing)
        limit_s = LOADING_S if self.is_loading else limit_s
        elapsed_s = time.monotonic() - self._since
        is_busy = self._processor_s() - self._busy_s > BUSY_SHARE * limit_s
        return elapsed_s > (limit_s if is_busy else WAITING_TIMES * limit_s)

    def end(self) -> None:
        """Kill it, with whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.connection.close()

    def _progress(self, doing: Doing) -> None:
        """Take note of when it went on, and how long it had computed by then."""
        self._last, self._since, self._busy_s = doing, time.monotonic(), self._processor_s()

    def _processor_s(self) -> float:
        """Return for how long it has computed; 0 once it is gone."""
        try:
            times = self._usage.cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def close(self) -> None:
        """Free the memory that both shared."""
        self._board.close()

    def _send(self, message: bytes) -> None:
        with suppress(OSError):  # it died; the next answer says so
            self.connection.send_bytes(message)


class SourceRunner:
    """Child processes with the sources of a folder loaded. Use it as a context.

    No file is imported, and no source called, in the process that makes it. A source that takes longer than the limit
    with a text, or ends its process, is named among the faults and left out from then on.

    Args:
        controls: those that are answered with labels.
        limit_s: longest time that one source may take with one text.
        marked: pieces of train rows' texts that people marked, by control and label.
        embed: returns vectors of length 1, shape (N, D); None: no source may ask for closeness to examples.
        processes: None: as many as there are cores.
        knows_negations: False: what is negated is taken for affirmed, to see what a source leaves out.

    Attributes:
        sources: all that could be loaded.

    Raises:
        SourceError: the folder is not there, or no process gets through its files; raised when the context is entered.
    """

    sources: tuple[LabelSource, ...] = ()

    def __init__(
        self,
        folder: Path,
        controls: Sequence[AskedControl],
        *,
        limit_s: float = 1.0,
        marked: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        embed: Embed | None = None,
        processes: int | None = None,
        knows_negations: bool = True,
    ) -> None:
        self._folder, self._controls, self._limit_s = folder.resolve(), tuple(controls), limit_s
        self._marked, self._embed, self._knows_negations = marked or {}, embed, knows_negations
        self._most = processes or max(1, os.cpu_count() or 1)
        self._children: list[_Child] = []
        self._skipped: list[str] = []
        self._voters: list[list[LabelSource]] | None = None
        self._off: set[int] = set()
        self._deaths = 0
        self._examples: list[Floats2d] = []
        self._faults: dict[tuple[str, str, str], SourceFault] = {}

    def __enter__(self) -> Self:
        if not self._folder.is_dir():
            raise SourceError(f"{self._folder} is no folder; wanted one with rationales, gazetteers or patterns")
        try:
            self._children.append(self._new_child())
            while self._voters is None:
                self._take_turns()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.end()
            child.close()
        self._children = []

    @property
    def faults(self) -> list[SourceFault]:
        """All that sources did wrong so far."""
        return list(self._faults.values())

    @property
    def stopped(self) -> frozenset[int]:
        """The numbers of the sources that were left out while they read."""
        first = np.cumsum([0, *(len(voter) for voter in self._voters or [])]).tolist()
        return frozenset(number for unit in self._off for number in range(first[unit], first[unit + 1]))

    def votes(self, texts: Iterable[str]) -> Votes:
        """Return the votes of all sources that got through all texts.

        Args:
            texts: all that is read of each task; taken as they are needed.

        Raises:
            SourceError: processes die while no source is reading.
        """
        labels = {each.name: {label: k for k, label in enumerate(each.labels)} for each in self._controls}
        columns = array("q")
        batches: Iterator[tuple[int, list[str]]] = enumerate(in_batches(texts, TEXTS_AT_ONCE))
        again: deque[tuple[int, list[str]]] = deque()
        while True:
            is_all = self._hand_out(batches, again)
            if is_all and not any(child.batch for child in self._children):
                break
            for number, message in self._take_turns(again):
                for source, text, label, start, end in message["votes"]:
                    code = labels[self.sources[source].control][label]
                    columns.extend((number * TEXTS_AT_ONCE + text, source, code, start, end))
        votes = Votes.of(np.array(columns, dtype=np.int64).reshape(-1, 5))
        return votes.where(~np.isin(votes.source, sorted(self.stopped)))

    def _hand_out(self, batches: Iterator[tuple[int, list[str]]], again: "deque[tuple[int, list[str]]]") -> bool:
        """Give each process that is free a batch, and start a further one where all are busy; True: none is left."""
        for child in [*self._children, None]:
            if child is not None and (child.batch or child.is_loading):
                continue
            if child is None and (len(self._children) >= self._most or any(each.is_loading for each in self._children)):
                break
            batch = again.popleft() if again else next(batches, None)
            if batch is None:
                return True
            if child is None:
                again.append(batch)
                self._children.append(self._new_child())
            else:
                child.read(*batch, self._closeness(batch[1]), self._off)
        return False

    def _take_turns(self, again: "deque[tuple[int, list[str]]] | None" = None) -> list[tuple[int, dict[str, Any]]]:
        """Wait a moment for messages, and return the answers to batches; what hangs or died is replaced.

        Args:
            again: gets the batches that have to be read by another process.
        """
        answers = []
        ready = wait([child.connection for child in self._children], TICK_S)
        for place, child in enumerate(self._children):
            message = child.answer() if child.connection in ready else {}
            if message is None or (not message and child.is_stuck(self._limit_s)):
                self._children[place] = self._replaced(child, is_stuck=message is not None)
                if child.batch and again is not None:
                    again.append(child.batch)
            elif "loading" in message:
                child.file = message["loading"]
            elif "voters" in message:
                child.is_loading = False
                self._learn(message)
            elif message and child.batch:
                self._deaths = 0
                self._note(message["faults"], child.batch[1])
                answers.append((child.batch[0], message))
                child.batch = None
        return answers

    def _new_child(self) -> _Child:
        setup = {
            "folder": str(self._folder),
            "controls": [asdict(each) for each in self._controls],
            "marked": self._marked,
            "skipped": self._skipped,
            "knows_negations": self._knows_negations,
            "orphan_s": 60 + TEXTS_AT_ONCE * self._limit_s,
        }
        return _Child(json.dumps(setup).encode())

    def _replaced(self, child: _Child, *, is_stuck: bool) -> _Child:
        """Note what a process died of, and return a new one."""
        child.end()
        doing = child.doing
        if child.is_loading and child.file and self._voters is None:
            ended = f"took more than {LOADING_S:g} s to load" if is_stuck else "ended the process while it was loaded"
            self._skipped.append(child.file)
            self._fault(SourceFault(child.file, child.file, ended, is_fatal=True))
        elif child.batch and doing.unit >= 0 and self._voters is not None:
            source, text = self._voters[doing.unit][0], child.batch[1][doing.text]
            ended = f"took more than {self._limit_s:g} s" if is_stuck else "ended the process"
            self._off.add(doing.unit)
            shown = shortened(" ".join(readable_text(text).split()), TEXT_CHARACTERS)
            self._fault(SourceFault(source.name, source.place, ended, shown, is_fatal=True))
        else:
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                raise SourceError(
                    f"{MOST_DEATHS} processes that loaded {self._folder} died while no source was reading; is there "
                    "memory enough, and do the files import the same way each time?"
                )
        child.close()
        return self._new_child()

    def _learn(self, message: Mapping[str, Any]) -> None:
        """Take note of the sources that a process loaded."""
        voters = [[LabelSource(**source) for source in voter] for voter in message["voters"]]
        if self._voters is None:
            self._voters = voters
            for fault in message["faults"]:
                self._fault(SourceFault(**fault))
            self.sources = tuple(source for voter in voters for source in voter)
            if self._embed is not None:
                self._examples = [self._embed(texts) for texts in message["examples"]]
            self._refuse_equal_names()
        elif voters != self._voters:
            raise SourceError(f"{self._folder} gave other sources when its files were imported a second time")

    def _refuse_equal_names(self) -> None:
        seen: dict[str, LabelSource] = {}
        for unit, voter in enumerate(self._voters or []):
            for source in voter:
                first = seen.setdefault(source.name, source)
                if first is not source:
                    self._off.add(unit)
                    problem = f"has the name of the one at {first.place}"
                    self._fault(SourceFault(source.name, source.place, problem, is_fatal=True))

    def _closeness(self, texts: Sequence[str]) -> list[list[float]]:
        """Return how close each text is to each set of examples."""
        if self._embed is None or not self._examples:
            return [[] for _ in texts]
        vectors = self._embed([readable_text(text) for text in texts])
        columns = [(vectors @ examples.T).max(axis=1) for examples in self._examples]
        closeness: list[list[float]] = np.stack(columns, axis=1).tolist()
        return closeness

    def _note(self, faults: Iterable[tuple[int, str, str, int, int]], texts: Sequence[str]) -> None:
        for unit, place, problem, number, count in faults:
            source = (self._voters or [])[unit][0].name
            shown = shortened(" ".join(readable_text(texts[number]).split()), TEXT_CHARACTERS)
            self._fault(SourceFault(source, place, problem, shown, count))

    def _fault(self, fault: SourceFault) -> None:
        key = fault.source, fault.place, fault.problem
        known = self._faults.get(key)
        self._faults[key] = fault if known is None else replace(known, count=known.count + fault.count)
