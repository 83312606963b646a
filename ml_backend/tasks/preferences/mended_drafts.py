"""Drafts that experts mended: what was submitted is preferred to what the model had written."""

from collections.abc import Iterable, Iterator

from ...domain.conversation import as_prompt
from ...domain.example import PrelabelOutcome, Row
from ...domain.preference import Preference
from .base import PreferenceReader

__all__: list[str] = []


class MendedDrafts(PreferenceReader):
    """`<TextArea>`: the response that a person made of a draft, and the draft."""

    tag = "TextArea"

    @property
    def has_prompt(self) -> bool:
        return True

    @property
    def is_conversation(self) -> bool:
        return self.control.answers_a_dialogue

    def pairs(self, rows: Iterable[Row]) -> Iterator[Preference]:
        name = self.control.name
        for row in rows:
            if not self._has_answer(row):
                continue
            draft, prompt = row.drafts.get(name), self._prompt(row)
            if draft is None:
                was_mended = row.provenance.prelabel is PrelabelOutcome.CHANGED
                reason = "the draft that was mended is not at hand" if was_mended else "no draft was mended"
                self._leave_out(reason, row.task_id)
            elif not prompt.strip():
                self._leave_out("the text is empty", row.task_id)
            elif (pair := self._pair(prompt, str(row.targets[name]), draft, row.task_id)) is not None:
                yield pair

    def _prompt(self, row: Row) -> str:
        # The one object that it names shows the prompt; nothing that is read is compared.
        return as_prompt(row.text, self.control.object)
