"""Reasons for which tasks and answers are left out or repaired, counted, with the ids of the tasks to look at."""

import re
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Reason", "ReasonCount", "ReasonCounts"]

NAMED_TASKS = 10
NAMED_DETAILS = 5
MOST_DETAILS, LONGEST_DETAIL, SHOWN_CHARACTERS = 1000, 1000, 60
"""Limits on details, which come from people and programs and may be anything: how many, and how many characters."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that UTF-8 files or PostgreSQL refuse: NUL and halves of surrogate pairs."""
LEFT_OUT, LEFT_OUT_IN_PART, REPAIRED = "left out", "left out in part", "repaired"


class Reason(StrEnum):
    """A reason for which a task gives no row, or an answer does not count unchanged. Add new reasons as members.

    Attributes:
        words: the words after the count, the same for one and for many, as in "2 tasks with an empty text".
        opening: the word for what was done, such as "left out".
    """

    words: str
    opening: str

    def __new__(cls, value: str, words: str = "", opening: str = LEFT_OUT) -> "Reason":
        """Make a member whose value is its name in JSON."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        member.opening = opening
        return member

    NOT_ANNOTATED = "not_annotated", "that nobody annotated"
    SKIPPED = "skipped", "that annotators skipped"
    NOT_REVIEWED = "not_reviewed", "that the review rule leaves out"
    ACCEPTED = "accepted", "whose answer was accepted without a person"
    EMPTY_TEXT = "empty_text", "with an empty text"
    NO_ANSWER = "no_answer", "without an answer that counts"
    UNKNOWN_LABEL = "unknown_label", "with a label that the label config lacks"
    NOT_ASKED = "not_asked", "whose question the other answers hide"
    UNREADABLE = "unreadable", "that cannot be read"
    CONTRADICTORY = "contradictory", "with different choices where one was asked for"
    DOUBTFUL_POSITIONS = "doubtful_positions", "with positions that do not fit the text"
    UNTOUCHED = "untouched", "that nobody has touched, as far as can be told"
    UNKNOWN_OPTION = "unknown_option", "with an option that the task does not hold"
    OPTIONS_UNFIT = "options_unfit", "among options that have no text, or share an id or have none"
    EMPTY_ANSWER = "empty_answer", "of white space alone"
    BLANK_SPAN = "blank_span", "with a mark on white space alone", LEFT_OUT_IN_PART
    MOVED_POSITIONS = "moved_positions", "with positions that do not fit the text", REPAIRED
    OVERLAPPING_SPAN = "overlapping_span", "with a mark that overlaps a longer one", LEFT_OUT_IN_PART
    RELATION_WITHOUT_MARK = "relation_without_mark", "with a relation to a mark that does not count", LEFT_OUT_IN_PART
    ANSWER_WITHOUT_MARK = "answer_without_mark", "about a mark that does not count", LEFT_OUT_IN_PART
    UNRESOLVED = "unresolved", "that annotators disagree about"
    REPEATED_TASK = "repeated_task", "that came before under the same id"
    LEFT_OUT_BY_HOOK = "left_out_by_hook", "that a hook left out"
    DUPLICATE = "duplicate", "with the text and the answers of another row"
    DUPLICATE_OF_HELD_OUT = "duplicate_of_held_out", "with the text of a held-out row"
    NEAR_DUPLICATE_OF_HELD_OUT = "near_duplicate_of_held_out", "with nearly the text of a held-out row"
    NO_WEIGHT = "no_weight", "of weight 0"
    NOT_CARRIED = "not_carried", "that the format cannot carry"

    @property
    def is_unreviewed(self) -> bool:
        """True where a task does not count as reviewed."""
        return self in (Reason.NOT_ANNOTATED, Reason.SKIPPED, Reason.NOT_REVIEWED, Reason.ACCEPTED)


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """The count of a reason. `str` gives the count in words, `line` puts the reason's opening before them.

    Attributes:
        control: the control whose answers are counted; empty where whole tasks are counted.
        count: answers or tasks.
        tasks: how many different tasks these belong to.
        task_ids: the lowest ids in ascending order, ten at most.
        details: what the reason is about, such as the labels that are unknown, each with its own count; the first
            thousand by name.
    """

    reason: Reason
    control: str
    count: int
    tasks: int
    task_ids: tuple[int, ...]
    details: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        counted = f"{_many(self.count, 'answer')} to {self.control!r}" if self.control else _many(self.count, "task")
        labels = [f"{_shown(detail)} ({count})" for detail, count in self.details.items()]
        details = ", ".join(_named(labels, NAMED_DETAILS, len(labels)))
        about = f"{counted} {self.reason.words}" + f": {details}" * bool(details)
        return f"{about} ({self.named_tasks})" if self.control else f"{about} ({self._ids})"

    @property
    def line(self) -> str:
        """The whole count as one line of text."""
        return f"{self.reason.opening}: {self}"

    @property
    def named_tasks(self) -> str:
        """The first ten tasks, and how many more there are, as text."""
        return f"task{'s' * (self.tasks != 1)} {self._ids}"

    @staticmethod
    def list_to_json(counts: "Iterable[ReasonCount]") -> list[dict[str, Any]]:
        """Return the counts as a list of JSON objects."""
        return [
            {
                "reason": each.reason.value,
                "control": each.control,
                "count": each.count,
                "tasks": each.tasks,
                "task_ids": list(each.task_ids),
                "details": dict(each.details),
            }
            for each in counts
        ]

    @staticmethod
    def list_from_json(value: object) -> "tuple[ReasonCount, ...]":
        """Return the counts that a list of JSON objects describes.

        Raises:
            ValueError: it is no such list.
        """
        if not isinstance(value, list):
            raise ValueError(f"reasons: {value!r} found; wanted a list")
        try:
            return tuple(_count_from_json(each) for each in value)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"reasons: {error!r}; wanted counts by reason as `labelloop export --json` has them"
            ) from None

    @property
    def _ids(self) -> str:
        return ", ".join(_named(self.task_ids, NAMED_TASKS, self.tasks))


class ReasonCounts:
    """Counts reasons while tasks are read; memory does not grow with the number of tasks."""

    def __init__(self) -> None:
        self._found: dict[tuple[Reason, str], _Count] = {}

    def add(self, reason: Reason, task_id: int, control: str = "", detail: str = "") -> None:
        """Count one task, or one answer to the control. Calls about the same task must follow one another."""
        self._found.setdefault((reason, control), _Count()).add(task_id, detail)

    def __iter__(self) -> Iterator[ReasonCount]:
        """Yield the counts in the order of the reasons, then of the controls' names."""
        order = {reason: position for position, reason in enumerate(Reason)}
        for (reason, control), tally in sorted(self._found.items(), key=lambda each: (order[each[0][0]], each[0][1])):
            yield ReasonCount(
                reason, control, tally.count, tally.tasks, tuple(tally.task_ids), dict(sorted(tally.details.items()))
            )


class _Count:
    def __init__(self) -> None:
        self.count = self.tasks = 0
        self.last_task: int | None = None
        self.task_ids: list[int] = []
        self.details: Counter[str] = Counter()

    def add(self, task_id: int, detail: str) -> None:
        self.count += 1
        if detail:
            self.details[UNSTORABLE.sub("\ufffd", detail[:LONGEST_DETAIL])] += 1
        if len(self.details) > MOST_DETAILS:
            del self.details[max(self.details)]  # the last one by name, so that the order of tasks does not matter
        if task_id != self.last_task:
            self.tasks += 1
            self.last_task = task_id
            insort(self.task_ids, task_id)
            del self.task_ids[NAMED_TASKS:]


def _count_from_json(each: Mapping[str, Any]) -> ReasonCount:
    return ReasonCount(
        Reason(each["reason"]),
        str(each["control"]),
        int(each["count"]),
        int(each["tasks"]),
        tuple(map(int, each["task_ids"])),
        {str(detail): int(count) for detail, count in each["details"].items()},
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _named(items: Sequence[object], most: int, of: int) -> list[str]:
    """Return the first items as text, and how many more there are."""
    named = [str(item) for item in items[:most]]
    return named if of <= len(named) else [*named[:-1], f"{named[-1]} and {of - len(named)} more"]


def _shown(detail: str) -> str:
    """Return a detail in quotes, without control characters that a terminal would act on."""
    return repr(detail if len(detail) <= SHOWN_CHARACTERS else f"{detail[:SHOWN_CHARACTERS]}…")
