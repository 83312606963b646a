"""Two responses beside each other, of which a person chose one."""

from collections.abc import Iterable, Iterator

from ...domain.example import Row
from ...domain.field_texts import field_texts
from ...domain.label_config import LEFT, RIGHT
from ...domain.preference import Preference
from .base import PreferenceReader

__all__: list[str] = []


class Comparisons(PreferenceReader):
    """`<Pairwise>`: the row's target is the side that was chosen."""

    tag = "Pairwise"

    def pairs(self, rows: Iterable[Row]) -> Iterator[Preference]:
        for row in filter(self._has_answer, rows):
            texts = field_texts(self.control.text_in(row.text))
            if not {LEFT, RIGHT} <= texts.keys():
                self._leave_out("one of the two texts is empty", row.task_id)
                continue
            better, worse = (LEFT, RIGHT) if row.targets[self.control.name] == LEFT else (RIGHT, LEFT)
            yield from self._compared(row, [(texts[better], texts[worse])])
