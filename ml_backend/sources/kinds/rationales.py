"""Functions that an analyst wrote after an expert's reasons."""

import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ...domain.source import AnswerForm, LabelSource
from ...errors import SourceError
from ..text import TaskText
from ..writing import Rationale
from .base import AskedControl, Loading, SourceKind, Vote, Voter

__all__ = ["line_of"]

MODULE = "labelloop_sources_"


class Rationales(SourceKind):
    """The rationales of all Python files of the folder. A file whose name begins with `_` is for others to import."""

    name = "rationale"

    def load(self, loading: Loading) -> Iterator[Voter]:
        sys.path.append(str(loading.folder))  # at the end, where no file hides a module of Python
        for path in (path for path in loading.files(".") if path.suffix == ".py"):
            name = loading.name(path)
            if not loading.begin(name):
                continue
            try:
                module = _module(path)
            except BaseException as error:
                loading.fault(line_of(error, loading.folder, name), f"{type(error).__name__}: {error}")
                continue
            rationales = _rationales(module)
            if not rationales:
                loading.fault(
                    name, "no rationale found; wanted @rationale over functions, or a name that begins with _"
                )
            for each in rationales:
                place = f"{name}:{each.function.__code__.co_firstlineno}"
                try:
                    yield _RationaleVoter(each, loading.control(each.control), place)
                except SourceError as error:
                    loading.fault(place, error, each.name)


class _RationaleVoter(Voter):
    """One rationale."""

    def __init__(self, rationale: Rationale, control: AskedControl, place: str) -> None:
        label = rationale.label
        self._rationale, self._label = rationale, None if label is None else control.label(label)
        self.control, self.language = control, rationale.language
        TaskText.of("", language=rationale.language)  # refuses an unknown one
        self.sources = (
            LabelSource(
                rationale.name,
                Rationales.name,
                control.name,
                label,
                rationale.reason,
                rationale.by,
                rationale.when,
                place,
            ),
        )

    def votes(self, text: TaskText) -> Iterable[Vote]:
        answer = self._rationale(text)
        if answer is None or answer is False:
            return ()
        if self.control.form is AnswerForm.SPANS:
            return [self._piece(each, text) for each in _pieces(answer)]
        labels = self._labels(answer)
        if self.control.form is AnswerForm.ONE and len(labels) > 1:
            raise SourceError(f"labels {', '.join(labels)} returned; the control {self.control.name!r} takes one")
        return [(0, label, 0, 0) for label in labels]

    def _labels(self, answer: Any) -> list[str]:
        if isinstance(answer, str):
            return [self.control.label(answer)]
        parts = answer if isinstance(answer, list | tuple | set | frozenset) else ()
        if parts and all(isinstance(each, str) for each in parts):
            return sorted({self.control.label(each) for each in parts})
        if answer is True or _is_found(answer):
            return [self._own_label()]
        if _is_empty(answer):
            return []
        raise SourceError(
            f"{answer!r:.60} returned; wanted True, a label, a list of labels, what was found, or nothing"
        )

    def _piece(self, piece: Any, text: TaskText) -> Vote:
        if hasattr(piece, "span"):
            piece = piece.span()
        try:
            start, end, label = piece if len(piece) == 3 else (*piece, None)
            is_inside = 0 <= start < end <= len(text)
        except (TypeError, ValueError):
            raise SourceError(f"{piece!r:.60} returned; wanted (start, end) or (start, end, label)") from None
        if not is_inside:
            raise SourceError(f"the piece from {start} to {end} returned; the text ends at {len(text)}")
        return 0, self._own_label() if label is None else self.control.label(label), int(start), int(end)

    def _own_label(self) -> str:
        if self._label is None:
            raise SourceError("no label returned; give the rationale a label, or let it return one")
        return self._label


def line_of(error: BaseException, folder: Path, file: str) -> str:
    """Return where in the folder an error was raised, as `file.py:12`; else the file."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(folder):
        return f"{Path(error.filename).relative_to(folder).as_posix()}:{error.lineno}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(folder)]
    return f"{Path(frames[-1].filename).relative_to(folder).as_posix()}:{frames[-1].lineno}" if frames else file


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{MODULE}{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SourceError(f"{path.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as dataclasses and others expect it of a module
    spec.loader.exec_module(module)
    return module


def _rationales(module: ModuleType) -> list[Rationale]:
    """Return the rationales that a module defines, in its order; not those that it imports."""
    found = {id(each): each for each in vars(module).values() if isinstance(each, Rationale)}
    own = (each for each in found.values() if each.function.__module__ == module.__name__)
    return sorted(own, key=lambda each: each.function.__code__.co_firstlineno)


def _pieces(answer: Any) -> list[Any]:
    """Return the pieces of an answer: those in a collection, or the answer as the only one."""
    if _is_empty(answer):
        return []
    is_one = hasattr(answer, "span") or (isinstance(answer, tuple) and isinstance(answer[0], int))
    return [answer] if is_one else list(answer) if _is_iterable(answer) else [answer]


def _is_found(answer: Any) -> bool:
    """Return True for a match, and for matches of which there is one."""
    if hasattr(answer, "span"):
        return True
    return _is_iterable(answer) and not isinstance(answer, dict) and any(True for _ in answer)


def _is_empty(answer: Any) -> bool:
    return _is_iterable(answer) and hasattr(answer, "__len__") and len(answer) == 0


def _is_iterable(answer: Any) -> bool:
    return hasattr(answer, "__iter__") and not isinstance(answer, str)
