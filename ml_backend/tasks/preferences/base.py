"""The interface of controls that tell which of two responses people prefer, and how such controls are found."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from ...domain.conversation import as_prompt
from ...domain.example import Row
from ...domain.field_texts import join_fields, readable_text
from ...domain.label_config import Control
from ...domain.object_tag import ObjectTag
from ...domain.preference import Preference
from ...domain.snapshot import normal_form
from ...plugins import classes_in

__all__ = ["PreferenceReader"]

MOST_PAIRS = 20
"""The most pairs of one task, or of one prompt."""
SAME = "the two responses are the same but for white space and case"


class PreferenceReader(ABC):
    """Reads pairs from the rows that answer a control. A kind of control is a file in this folder.

    Args:
        control: tells which response is better.
        texts: what is read of a task.
        leave_out: is called with the reason and the task for everything that gives no pair.

    Attributes:
        tag: of the control.
    """

    tag: ClassVar[str]

    def __init__(
        self, control: Control, texts: Sequence[ObjectTag], leave_out: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        self.control, self._leave_out = control, leave_out
        compared = {shown.field for shown in (control.object, *control.objects)}
        self._asking = [shown for shown in texts if shown.field not in compared]

    @property
    def has_prompt(self) -> bool:
        """True where texts are read beside the responses; a prompt may be empty all the same."""
        return bool(self._asking)

    @property
    def is_conversation(self) -> bool:
        """True where prompts are dialogues."""
        return len(self._asking) == 1 and self._asking[0].tag == "Paragraphs"

    @abstractmethod
    def pairs(self, rows: Iterable[Row]) -> Iterator[Preference]:
        """Yield the pairs of rows in order; what gives none is left out with a reason."""

    @staticmethod
    def of(
        control: Control, texts: Sequence[ObjectTag], leave_out: Callable[[str, int], None] = lambda *_: None
    ) -> "PreferenceReader | None":
        """Return the reader for a control; None where it tells nothing about whole responses."""
        kind = classes_in(__package__, PreferenceReader, "tag").get(control.tag)
        return None if kind is None or control.has("perregion") else kind(control, texts, leave_out)

    def _prompt(self, row: Row) -> str:
        """Return the texts of a task that are not compared, as a language model reads them."""
        texts = {shown.field or "": row.input.get(shown.field or "", "") for shown in self._asking}
        text = join_fields(texts) if texts else ""
        return as_prompt(text, self._asking[0]) if len(texts) == 1 else readable_text(text)

    def _compared(self, row: Row, ranked: Sequence[tuple[str, str]]) -> Iterator[Preference]:
        """Yield the pairs of a task, `MOST_PAIRS` at most.

        Args:
            ranked: the better and the worse response of each, those that should stay first.
        """
        prompt, count = self._prompt(row), 0
        for chosen, rejected in ranked:
            pair = self._pair(prompt, chosen, rejected, row.task_id)
            if pair is not None:
                count += 1
                if count <= MOST_PAIRS:
                    yield pair
                else:
                    self._leave_out(f"a pair beyond {MOST_PAIRS} of one task", row.task_id)

    def _pair(self, prompt: str, chosen: str, rejected: str, *task_ids: int) -> Preference | None:
        chosen, rejected = (readable_text(text).strip() for text in (chosen, rejected))
        if not chosen or not rejected:
            self._leave_out("a response is empty", task_ids[0])
        elif normal_form(chosen) == normal_form(rejected):
            self._leave_out(SAME, task_ids[0])
        else:
            return Preference(prompt, chosen, rejected, task_ids)
        return None

    def _has_answer(self, row: Row) -> bool:
        if self.control.name in row.targets:
            return True
        self._leave_out(f"no agreed answer to {self.control.name}", row.task_id)
        return False
