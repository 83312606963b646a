"""Blind votes on drafts: which of two versions writes better, by people who do not know which wrote what.

A person sees two drafts without names, in an order that is drawn once per person and prompt, and so is prompts' order.
Who has seen the result votes no more: knowing it would move the votes that follow.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..domain.project import Project
from ..errors import ModelNotFound, PayloadError
from ..measuring.shares import share_interval
from .services import Services
from .training.held_out_answers import ControlAnswers
from .viewing.models import version_name
from .viewing.pairs import MeasuredPair, differing_places, find_pair

__all__ = ["Ballots", "Choice", "all_vote_results", "vote_results"]

Choice = Literal["left", "right", "equal", "bad"]
"""A vote on drafts as they are shown: which is better, or that both are alike, or both bad."""


@dataclass(frozen=True, slots=True)
class Ballots:
    """The votes of one person on the drafts of two versions.

    Attributes:
        names: of the versions, the one with the lower number first.
        answers: of both, in that order.
        places: of the drafts that differ, in the order in which this person sees them.
    """

    services: Services
    project: Project
    person: str
    names: tuple[str, str]
    pair: MeasuredPair
    control: str
    answers: Sequence[ControlAnswers]
    places: Sequence[int]

    @classmethod
    def of(cls, services: Services, project: Project, numbers: Sequence[int], control: str, person: str) -> "Ballots":
        """Return the ballots for two versions, named by number.

        Raises:
            ModelNotFound: they were never measured on the same prompts, or write no drafts that differ.
        """
        first, second = (version_name(project, number) for number in sorted(numbers))
        pair = find_pair(services, project, first, second)
        written = [name for name in pair.controls() if _is_written(pair, name)] if pair else []
        if pair is None or not written or (control and control not in written):
            what = f"{control!r} of {first} and {second}" if control else f"{first} and {second}"
            raise ModelNotFound(
                f"there are no drafts for {what} on the same prompts; put the two side by side, and measure both"
            )
        control = control or written[0]
        answers = pair.answers(control)
        places = differing_places(answers, "all")
        if not places:
            raise ModelNotFound(f"{first} and {second} write the same to every prompt, so there is nothing to vote on")
        seed = f"{first} {second} {control} {pair.snapshot_id} {person}"
        places.sort(key=lambda place: _draw(seed, "order", answers[0].lines[place]))
        return cls(services, project, person, (first, second), pair, control, answers, places)

    @property
    def key(self) -> Mapping[str, str]:
        """The key under which the votes are stored."""
        first, second = self.names
        about = {"project_key": self.project.ref.key, "first": first, "second": second}
        return {**about, "control": self.control, "snapshot_id": self.pair.snapshot_id}

    def order(self, place: int) -> tuple[int, int]:
        """Return which version's draft stands left and which right, as positions in `names`."""
        seed = f"{' '.join(self.names)} {self.control} {self.pair.snapshot_id} {self.person}"
        return (0, 1) if _draw(seed, "side", self.answers[0].lines[place]) % 2 else (1, 0)

    def cast(self) -> Mapping[int, Choice]:
        """Return the person's votes by place, as the drafts are shown."""
        by_line = {
            vote["line"]: vote["choice"]
            for vote in self.services.database.votes.of_pair(self.key)
            if vote["person"] == self.person
        }
        lines = self.answers[0].lines
        return {place: self._seen(place, by_line[lines[place]]) for place in self.places if lines[place] in by_line}

    def has_ended(self) -> bool:
        """Return whether the person has asked for the result, and so votes no more."""
        return self.services.database.votes.has_ended(self.key, self.person)

    def vote(self, position: int, choice: Choice) -> bool:
        """Store a vote; return whether it replaced an earlier one of the person.

        Args:
            position: of the prompt among `places`, from 1.

        Raises:
            PayloadError: there is no such prompt, or the person has asked for the result.
        """
        if not 1 <= position <= len(self.places):
            raise PayloadError(f"prompt {position} found; wanted one from 1 to {len(self.places)}")
        if self.has_ended():
            raise PayloadError(f"{self.person} has seen the result, and so votes on these two versions no more")
        place = self.places[position - 1]
        was_there = place in self.cast()
        left, right = self.order(place)
        meant = {"left": ("first", "second")[left], "right": ("first", "second")[right]}.get(choice, choice)
        self.services.database.votes.put(self.key, self.answers[0].lines[place], self.person, meant)
        return was_there

    def end(self) -> None:
        """Record that the person has asked for the result."""
        self.services.database.votes.end(self.key, self.person)

    def _seen(self, place: int, choice: str) -> Choice:
        names = {"first": 0, "second": 1}
        if choice not in names:
            return "equal" if choice == "equal" else "bad"
        return "left" if self.order(place)[0] == names[choice] else "right"


def vote_results(services: Services, key: Mapping[str, str]) -> dict[str, Any]:
    """Return what people have said of two versions' drafts, by prompt: people who see the same one are one opinion.

    Args:
        key: see `Ballots.key`.

    Returns:
        `first`, `second`, `control`, `snapshot_id`, `people`, `votes` (by choice), `prompts` (that somebody voted on),
        `first_wins`, `second_wins` and `ties` (of prompts, by most votes), `share` of the prompts that are no ties on
        which the second one wins, `low` and `high` of its 95% interval, Wilson's, and `sentence`.
    """
    votes = services.database.votes.of_pair(key)
    balance: dict[int, int] = defaultdict(int)
    for vote in votes:
        balance[vote["line"]] += {"first": -1, "second": 1}.get(vote["choice"], 0)
    first_wins, second_wins = sum(each < 0 for each in balance.values()), sum(each > 0 for each in balance.values())
    decided = first_wins + second_wins
    share = second_wins / decided if decided else None
    low, high = share_interval(share, decided) if share is not None else (None, None)
    counts = Counter(vote["choice"] for vote in votes)
    result = {
        **{name: key[name] for name in ("first", "second", "control", "snapshot_id")},
        "people": len({vote["person"] for vote in votes}),
        "votes": {choice: counts[choice] for choice in ("first", "second", "equal", "bad")},
        "prompts": len(balance),
        "first_wins": first_wins,
        "second_wins": second_wins,
        "ties": len(balance) - decided,
        "share": share,
        "low": low,
        "high": high,
    }
    return result | {"sentence": _sentence(result)}


def all_vote_results(services: Services, project: Project) -> list[dict[str, Any]]:
    """Return what people have said of all pairs of a project's versions that somebody has voted on."""
    return [vote_results(services, dict(pair)) for pair in services.database.votes.pairs(project.ref.key)]


def _sentence(result: Mapping[str, Any]) -> str:
    first, second, prompts, people = (result[name] for name in ("first", "second", "prompts", "people"))
    if not prompts:
        return f"nobody has voted on the drafts of {first} and {second} yet"
    who = f"{people} {'person' if people == 1 else 'people'}, blind,"
    said = (
        f"{who} found {second} better on {result['second_wins']} of {prompts} prompts, {first} on "
        f"{result['first_wins']}, and neither on {result['ties']}"
    )
    if result["share"] is None:
        return said
    interval = f"{result['share']:.0%} (95% interval {result['low']:.0%} to {result['high']:.0%})"
    verdict = (
        "which leaves open who writes better" if result["low"] <= 0.5 <= result["high"] else "which is no accident"
    )
    return f"{said}: {second} wins {interval} of the prompts that are no ties, {verdict}"


def _is_written(pair: MeasuredPair, control: str) -> bool:
    return not pair.left["summary"]["controls"][control]["has_labels"]


def _draw(seed: str, what: str, line: int) -> int:
    """Return a number that is the same whenever the same person sees the same prompt."""
    return int.from_bytes(hashlib.sha256(f"{what} {seed} {line}".encode(errors="surrogatepass")).digest()[:8], "big")
