"""Prompts by which a language model answers texts as a label source: what is asked, and what the answers say.

Other sources run in child processes. A prompt is not code, and the keys of servers are no business of such code: so the
process that reads texts asks the server itself, and nothing here contacts anybody.
"""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ..domain.example import Target
from ..domain.label_config import Label
from ..domain.source import LabelSource
from ..errors import SourceError
from ..serving.chat import ChatRequest, Completion
from .forms.base import FormedAnswer, LabelNames, PromptForm
from .kinds.base import AskedControl, Loading

__all__ = ["LabelPrompt", "PromptFile", "PromptVotes"]

MOST_SAMPLES = 20
SAMPLING_TEMPERATURE = 0.7
MAJORITY = 0.5
TASK = "Label a text as an expert would."

LabelPart = tuple[str, int, int]
"""A label, and start and end of the piece that it is about; 0 and 0 for a whole text."""


class PromptVotes(NamedTuple):
    """The votes that the answers to a text give together.

    Attributes:
        parts: in the order of the answer, each with the chance that the model gives it; None where nothing tells that.
        is_readable: False where nothing could be made of any answer.
        unknown: labels named that the control does not offer.
        missing: quoted pieces that the text does not hold.
    """

    parts: tuple[tuple[LabelPart, float | None], ...]
    is_readable: bool
    unknown: int = 0
    missing: int = 0


class PromptFile(BaseModel):
    """A file in the folder `prompts`, or what takes its place.

    Attributes:
        control: its name; None where there is one only.
        guidelines: what the model is told before the labels.
        examples: how many train rows it is shown with each text, those most like it.
        hints: what labels mean, by label; the label config's own hints where none is given.
        model: as the server names it; None: that of the settings.
        samples: answers per text; several are drawn at random, and those that agree most count.
        least_confidence: votes of which the model is less sure are left out.
    """

    FOLDER: ClassVar[str] = "prompts"
    KIND: ClassVar[str] = "prompt"
    MOST_EXAMPLES: ClassVar[int] = 100

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    control: str | None = None
    guidelines: str = ""
    examples: int = Field(default=0, ge=0, le=MOST_EXAMPLES)
    hints: Mapping[str, str] = {}
    model: str | None = Field(default=None, min_length=1)
    samples: int = Field(default=1, ge=1, le=MOST_SAMPLES)
    least_confidence: float = Field(default=0.0, ge=0, le=1)
    reason: str = ""
    by: str = ""
    when: str = ""

    @classmethod
    def read(cls, path: Path) -> "PromptFile":
        """Read a TOML file.

        Raises:
            SourceError: it is none, or holds something else.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:  # of TOML, of UTF-8, or of the model
            raise SourceError(" ".join(str(error).split())) from None


class LabelPrompt:
    """A prompt for one control.

    Args:
        labels: as the label config offers them.
        name: of the source.
        place: its file; empty where there is none.

    Attributes:
        source: the label source that it is.

    Raises:
        SourceError: a hint is about a label that the control does not offer.
    """

    def __init__(
        self, facts: PromptFile, control: AskedControl, labels: Sequence[Label], name: str, place: str = ""
    ) -> None:
        self.facts, self.control = facts, control
        self._form = PromptForm.of(control.form)
        self._names = LabelNames(control, [label.display for label in labels])
        known = {control.label(label): hint for label, hint in facts.hints.items()}
        hints = [known.get(label.value, label.hint or "") for label in labels]
        lines = [
            f"- {named}: {hint}" if hint else f"- {named}" for named, hint in zip(self._names.names, hints, strict=True)
        ]
        told = [TASK, facts.guidelines.strip(), "Labels:\n" + "\n".join(lines)]
        self._opening = "\n\n".join(filter(None, told))
        properties = self._form.schema(self._names.names)
        self._schema = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        self.source = LabelSource(name, PromptFile.KIND, control.name, None, facts.reason, facts.by, facts.when, place)

    @classmethod
    def load(cls, loading: Loading, labels: Mapping[str, Sequence[Label]]) -> "Iterator[LabelPrompt]":
        """Yield the prompts of a folder of sources; what cannot be used is noted as a fault.

        Args:
            labels: by control.
        """
        for path in loading.files(PromptFile.FOLDER):
            place = loading.name(path)
            try:
                if path.suffix != ".toml":
                    raise SourceError(f"a file that ends in {path.suffix!r} found; wanted .toml")
                facts = PromptFile.read(path)
                control = loading.control(facts.control)
                yield cls(facts, control, labels[control.name], place, place)
            except SourceError as error:
                loading.fault(place, error)

    def request(self, text: str, examples: Sequence[tuple[str, Target]]) -> ChatRequest:
        """Return what is asked about a text.

        Every example is a turn of a user's and one of the model's, so that it answers in the same way.

        Args:
            examples: texts and people's answers, in the order in which they are shown.
        """
        turns: list[tuple[str, str]] = []
        for shown, target in examples:
            answer = json.dumps(self._form.example(target, shown, self._names), ensure_ascii=False)
            turns += [("user", f"Text:\n{shown}"), ("assistant", answer)]
        # Small models forget what they are told before a text.
        turns.append(("user", f"Text:\n{text}\n\n{self._form.instruction}"))
        # Not a turn of the system's, which some models do not take.
        turns[0] = ("user", f"{self._opening}\n\n{turns[0][1]}")
        temperature = SAMPLING_TEMPERATURE if self.facts.samples > 1 else 0.0
        return ChatRequest(tuple(turns), self._schema, temperature, self._form.max_tokens)

    def votes(self, answers: Sequence[Completion], text: str) -> PromptVotes:
        """Return what the answers to a text say: with several, what more than half of them say.

        Args:
            text: that pieces are looked for in.
        """
        read = [self._form.read(PromptForm.first_value(each.text), each.text, text, self._names) for each in answers]
        formed = [each for each in read if each is not None]
        unknown, missing = sum(each.unknown for each in formed), sum(each.missing for each in formed)
        if len(answers) == 1:
            parts = [] if read[0] is None else _by_probability(read[0], answers[0])
        else:
            parts = _by_share(formed, len(answers))
        sure = [(part, chance) for part, chance in parts if chance is None or chance >= self.facts.least_confidence]
        return PromptVotes(tuple(sure), bool(formed), unknown, missing)


def _by_share(formed: Sequence[FormedAnswer], answers: int) -> list[tuple[LabelPart, float | None]]:
    counts = Counter(part for each in formed for part in dict.fromkeys(found[:3] for found in each.parts))
    return [(part, count / answers) for part, count in counts.items() if count > MAJORITY * answers]


def _by_probability(formed: FormedAnswer, answer: Completion) -> list[tuple[LabelPart, float | None]]:
    """Return the parts, each with the probability of the tokens that hold its words."""
    written = "".join(token for token, _ in answer.tokens)
    parts, place = list[tuple[LabelPart, float | None]](), 0
    for label, start, end, words in formed.parts:
        logs: float | None = 0.0
        for word in words:
            found = _find(word, written, place)
            if found is None:
                logs = None
                break
            place = found[1]
            logs = logs + _log_probability(answer.tokens, *found) if logs is not None else None
        parts.append(((label, start, end), None if logs is None else math.exp(min(logs, 0.0))))
    return parts


def _find(word: str, written: str, place: int) -> tuple[int, int] | None:
    for spelled in (json.dumps(word, ensure_ascii=False)[1:-1], json.dumps(word)[1:-1], word):
        start = written.find(spelled, place) if spelled else -1
        if start >= 0:
            return start, start + len(spelled)
    return None


def _log_probability(tokens: Sequence[tuple[str, float]], start: int, end: int) -> float:
    """Return the sum over the tokens that hold some of these characters."""
    total, at = 0.0, 0
    for token, log_probability in tokens:
        if at < end and at + len(token) > start:
            total += log_probability
        at += len(token)
    return total
