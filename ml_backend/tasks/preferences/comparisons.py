"""Two responses beside each other, of which a person chose one."""

from collections.abc import Iterable, Iterator

from ...domain.example import Row
from ...domain.preference import Preference
from .base import PreferenceReader

__all__: list[str] = []

OTHER = {"left": "right", "right": "left"}


class Comparisons(PreferenceReader):
    """`<Pairwise>`: the row's target is the side that was chosen."""

    tag = "Pairwise"

    def pairs(self, rows: Iterable[Row]) -> Iterator[Preference]:
        for row in filter(self._has_answer, rows):
            side, options = str(row.targets[self.control.name]), self._options(row)
            if side in OTHER and options.keys() >= OTHER.keys():
                yield from self._compared(row, [(options[side], options[OTHER[side]])])
            else:
                self._leave_out("the texts that were compared are not at hand", row.task_id)
