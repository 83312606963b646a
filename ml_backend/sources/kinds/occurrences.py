"""Whatever people marked in train rows, wherever else it occurs."""

from collections.abc import Iterable, Iterator

from ...domain.source import AnswerForm, LabelSource
from ..phrases import Form, PhraseIndex, longest_first
from ..text import TaskText
from .base import AskedControl, Loading, SourceKind, Vote, Voter

__all__: list[str] = []


class Occurrences(SourceKind):
    """A source per label of a control that marks pieces: each piece that people marked, in the same spelling."""

    name = "marked before"

    def load(self, loading: Loading) -> Iterator[Voter]:
        for control in loading.controls.values():
            pieces = loading.marked.get(control.name, {})
            if control.form is AnswerForm.SPANS and pieces:
                yield _OccurrenceVoter(control, {label: pieces[label] for label in control.labels if label in pieces})


class _OccurrenceVoter(Voter):
    def __init__(self, control: AskedControl, pieces: dict[str, Iterable[str]]) -> None:
        self.control = control
        self.sources = tuple(
            LabelSource(
                f"marked before: {label}",
                Occurrences.name,
                control.name,
                label,
                "People marked the same words in other texts.",
                learns=True,
            )
            for label in pieces
        )
        self._index: PhraseIndex[tuple[int, str]] = PhraseIndex(Form(is_cased=True))
        for number, (label, phrases) in enumerate(pieces.items()):
            for phrase in phrases:
                self._index.add(phrase, (number, label))

    def votes(self, text: TaskText) -> Iterable[Vote]:
        return [(number, label, start, end) for start, end, (number, label) in longest_first([*self._index.find(text)])]
