"""Train rows in other words, by the language model of the settings, which gets their texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...atomic_files import atomic_text
from ...domain.field_texts import field_texts
from ...domain.progress import ProgressCallback
from ...errors import ConfigurationError
from ...options import PREFIX
from ...serving.chat import ChatRequest, Completion
from ...snapshots.leakage import find_leaks
from ...snapshots.reviewed import BuildSettings
from ..prompting.asking import Asker
from ..services import Services

__all__ = ["Rewordings"]

FILE_NAME = "rewordings.json"
INSTRUCTION = (
    "Say the text below in other words. Keep its language, its meaning, its tone, and every name and number. "
    "Answer with the new wording alone.\n\nText:\n"
)
TEMPERATURE = 0.7
MOST_CHARACTERS = 2000
"""Longer texts are not reworded: small models shorten them, and large ones cost the more."""
CHARACTERS_PER_TOKEN, SPARE_TOKENS = 2, 32
SHORTEST, LONGEST = 0.4, 2.5
"""Lengths of an answer beside its text; what lies outside is no rewording but a summary, a comment or a refusal."""


@dataclass(slots=True)
class Rewordings:
    """Other words for texts.

    Attributes:
        by_text: what stands for each text; those without a usable answer are missing.
        asked: texts that the model was asked about.
        unusable: answers that were cut, empty, the text itself, or much shorter or longer than it.
        leaks: answers that nearly repeat a held-out text.
        notes: sentences on what went wrong.
    """

    by_text: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    unusable: int = 0
    leaks: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON values, without the texts."""
        counts = {"asked": self.asked, "usable": len(self.by_text), "unusable": self.unusable, "leaks": self.leaks}
        return {**counts, "notes": self.notes}

    @classmethod
    def of(
        cls,
        services: Services,
        texts: Sequence[str],
        folder: Path,
        *,
        held_out: Sequence[str],
        report: ProgressCallback,
    ) -> "Rewordings":
        """Return other words for texts of one field, the same at every attempt at a job.

        Args:
            folder: of the job, where they are kept.
            held_out: texts that none may nearly repeat.

        Raises:
            ConfigurationError: the settings name no server.
            TextServerError: the server has no model, or several and none is named.
        """
        file = folder / FILE_NAME
        if file.is_file():
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        if not services.options.text_server.url:
            raise ConfigurationError(
                f"rows are to be reworded, and no language model is named; set {PREFIX}TEXT_SERVER_URL, or leave out "
                "--reword"
            )
        short = [text for text in texts if set(field_texts(text)) == {""} and len(text) <= MOST_CHARACTERS]
        asker = Asker(services)
        answers = asker.ask(map(_request, short), report=report)
        found = cls(asked=len(short), notes=[*asker.notes, *answers.sentences])
        usable: list[tuple[str, str]] = []
        for text, given in zip(short, answers.answers, strict=True):
            words = _wording(text, given[0]) if given else None
            if words is not None:
                usable.append((text, words))
            found.unusable += bool(given) and words is None
        repeats = find_leaks([words for _, words in usable], held_out, BuildSettings().near_duplicate_threshold)
        found.leaks = len(repeats)
        found.by_text = {text: words for place, (text, words) in enumerate(usable) if place not in repeats}
        with atomic_text(file) as kept:
            json.dump({name: getattr(found, name) for name in cls.__slots__}, kept, ensure_ascii=False)
        return found


def _request(text: str) -> ChatRequest:
    most = len(text) // CHARACTERS_PER_TOKEN + SPARE_TOKENS
    return ChatRequest((("user", INSTRUCTION + text),), temperature=TEMPERATURE, max_tokens=most)


def _wording(text: str, answer: Completion) -> str | None:
    words = answer.text.strip().strip('"“”').strip()
    is_other = words.casefold() != text.strip().casefold()
    is_as_long = SHORTEST * len(text) <= len(words) <= LONGEST * len(text)
    return words if answer.is_complete and words and is_other and is_as_long else None
