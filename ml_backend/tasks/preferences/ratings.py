"""Responses to the same prompt in several tasks, which people rated."""

from collections.abc import Iterable, Iterator
from itertools import combinations

from ...domain.example import Row
from ...domain.preference import Preference
from ...domain.snapshot import normal_form
from .base import MOST_PAIRS, PreferenceReader

__all__: list[str] = []


class Ratings(PreferenceReader):
    """`<Rating>` of a text that answers the task's other texts: of two with one prompt the one that is rated higher."""

    tag = "Rating"

    def pairs(self, rows: Iterable[Row]) -> Iterator[Preference]:
        rated: dict[str, list[tuple[float, str, int]]] = {}
        prompts: dict[str, str] = {}
        for row in filter(self._has_answer, rows):
            prompt, rating = self._prompt(row), row.targets[self.control.name]
            response = row.input.get(self.control.object.field or "")
            if not prompt.strip():
                self._leave_out("there is no prompt that other tasks could have, too", row.task_id)
            elif response is None or not isinstance(rating, int | float):
                self._leave_out("the rated text is not read", row.task_id)
            else:
                key = normal_form(prompt)
                prompts.setdefault(key, prompt)
                rated.setdefault(key, []).append((rating, response, row.task_id))
        for key, each in rated.items():
            # Those that are farthest apart first; of equals the earlier tasks.
            each.sort(key=lambda rating: (-rating[0], rating[2]))
            apart = [(first, second) for first, second in combinations(each, 2) if first[0] > second[0]]
            if not apart:
                for _, _, task_id in each:
                    self._leave_out("no task has the same prompt and another rating", task_id)
            apart.sort(key=lambda pair: pair[1][0] - pair[0][0])
            for (_, chosen, first_id), (_, rejected, second_id) in apart[:MOST_PAIRS]:
                if (pair := self._pair(prompts[key], chosen, rejected, first_id, second_id)) is not None:
                    yield pair
            for (_, _, first_id), _ in apart[MOST_PAIRS:]:
                self._leave_out(f"a pair beyond {MOST_PAIRS} of one prompt", first_id)
