"""The base class of forms, how they are found, and how names of labels are recognised in what a model writes."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from ...domain.example import Target
from ...domain.source import AnswerForm
from ...plugins import classes_in
from ..kinds.base import AskedControl

__all__ = ["FormedAnswer", "LabelNames", "PromptForm"]

SPACES = re.compile(r"[\s_-]+")


class FormedAnswer(NamedTuple):
    """A model's answer as far as it can be used.

    Attributes:
        parts: label, start and end of each piece, 0 and 0 for whole texts; then the words by which the answer says so,
            as JSON writes them.
        unknown: labels named that the control does not offer.
        missing: quoted pieces that the text does not hold.
    """

    parts: tuple[tuple[str, int, int, tuple[str, ...]], ...]
    unknown: int = 0
    missing: int = 0


class LabelNames:
    """The names by which a model calls the labels of a control: as annotators see them, where these differ.

    Args:
        shown: per label, in the order of the control, what annotators see.
    """

    def __init__(self, control: AskedControl, shown: Sequence[str]) -> None:
        is_clear = len({_plain(name) for name in shown}) == len(control.labels)
        self.names = tuple(shown) if is_clear else control.labels
        self._of_label = dict(zip(control.labels, self.names, strict=True))
        self._labels = {_plain(label): label for label in control.labels}
        self._labels |= {_plain(name): label for label, name in self._of_label.items()}
        longest_first = sorted(filter(None, self._labels), key=len, reverse=True)
        self._mention = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    def name(self, label: str) -> str:
        """Return what a label is called; itself where the control does not offer it any more."""
        return self._of_label.get(label, label)

    def label(self, written: object) -> str | None:
        """Return the label that is written, in whatever case, alone or with its hint; None for something else."""
        if not isinstance(written, str):
            return None
        return self._labels.get(_plain(written)) or self._labels.get(_plain(written.partition(":")[0]))

    def mentions(self, text: str) -> list[str]:
        """Return the labels that a text names, each once, in its order; of overlapping names the longest."""
        return list(dict.fromkeys(self._labels[found] for found in self._mention.findall(_plain(text))))


class PromptForm(ABC):
    """A form of answers. A new one is a new file in this folder.

    Attributes:
        form: of the control's answers.
        instruction: what the model is told about its answer.
        max_tokens: most tokens of an answer.
    """

    form: ClassVar[AnswerForm]
    instruction: ClassVar[str]
    max_tokens: ClassVar[int]

    @abstractmethod
    def schema(self, names: Sequence[str]) -> Mapping[str, Any]:
        """Return the properties of the JSON object that answers, by name; all are required."""

    @abstractmethod
    def example(self, target: Target, text: str, names: LabelNames) -> Mapping[str, Any]:
        """Return the JSON object that gives an answer of people's.

        Args:
            text: that it is about.
        """

    @abstractmethod
    def read(self, value: Any, written: str, text: str, names: LabelNames) -> FormedAnswer | None:
        """Return what an answer says; None where nothing can be made of it.

        Args:
            value: the first JSON value in it; None where there is none.
            written: all of it.
            text: that it is about.
        """

    @staticmethod
    def of(form: AnswerForm) -> "PromptForm":
        """Return the form of a control's answers."""
        return classes_in(__package__, PromptForm, "form")[form]()

    @staticmethod
    def first_value(written: str) -> Any:
        """Return the first JSON object or list in a text, however much stands around it; None where there is none."""
        decoder = json.JSONDecoder()
        for found in re.finditer(r"[{\[]", written):
            try:
                return decoder.raw_decode(written, found.start())[0]
            except (ValueError, RecursionError):
                continue
        return None

    @staticmethod
    def only(value: Any, key: str) -> Any:
        """Return what a JSON object holds under a key, or under its only one; anything else as it is."""
        if not isinstance(value, dict):
            return value
        return value.get(key, next(iter(value.values())) if len(value) == 1 else None)


def _plain(name: str) -> str:
    return SPACES.sub(" ", name).strip(" \"'`.,:;!?*").casefold()
