"""Store votes on drafts of two versions, and who has asked for the result."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Index, Integer, RowMapping, Table, select

from .base import Repository, String, UtcDateTime, metadata

__all__ = ["VoteRepository"]

PAIR = ("project_key", "first", "second", "control", "snapshot_id")
"""The subject of a round of votes; the version with the lower number is the first."""


def _pair() -> list[Column[Any]]:
    return [Column(name, String(64 if name == "snapshot_id" else 255), nullable=False) for name in PAIR]


votes = Table(
    "votes",
    metadata,
    Column("id", Integer, primary_key=True),
    *_pair(),
    Column("line", Integer, nullable=False),
    Column("person", String(255), nullable=False),
    Column("choice", String(16), nullable=False),
    Column("voted_at", UtcDateTime, nullable=False),
    Index("uq_votes_row", *PAIR, "line", "person", unique=True),
)

vote_ends = Table(
    "vote_ends",
    metadata,
    Column("id", Integer, primary_key=True),
    *_pair(),
    Column("person", String(255), nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Index("uq_vote_ends_pair", *PAIR, "person", unique=True),
)


class VoteRepository(Repository):
    """Holds one vote per person and prompt, the last one."""

    def put(self, pair: Mapping[str, str], line: int, person: str, choice: str) -> None:
        """Store a vote, in place of the person's earlier one on the same prompt.

        Args:
            pair: a value for each of `PAIR`.
            line: of the prompt's row in the snapshot's test rows.
            choice: the place of the better one's version in the pair, `first` or `second`; or `equal`, or `bad`.
        """
        place = {**pair, "line": line, "person": person}
        values = {"choice": choice, "voted_at": self._now()}
        statement = self._insert(votes).values(**place, **values)
        self._write(statement.on_conflict_do_update(index_elements=list(place), set_=values))

    def of_pair(self, pair: Mapping[str, str]) -> Sequence[RowMapping]:
        """Return `line`, `person`, `choice` and `voted_at` of all votes on a pair, oldest first."""
        chosen = select(votes.c.line, votes.c.person, votes.c.choice, votes.c.voted_at)
        return self._rows(chosen.where(*_is_pair(votes, pair)).order_by(votes.c.id))

    def pairs(self, project_key: str) -> Sequence[RowMapping]:
        """Return the pairs of a project that somebody has voted on, the newest first."""
        columns = [votes.c[name] for name in PAIR]
        statement = select(*columns).where(votes.c.project_key == project_key).group_by(*columns)
        return self._rows(statement.order_by(votes.c.snapshot_id, votes.c.second.desc()))

    def end(self, pair: Mapping[str, str], person: str) -> None:
        """Record that a person has asked for the result, and so votes on this pair no more."""
        statement = self._insert(vote_ends).values(**pair, person=person, ended_at=self._now())
        self._write(statement.on_conflict_do_nothing())

    def has_ended(self, pair: Mapping[str, str], person: str) -> bool:
        """Return whether the person has asked for the result."""
        statement = select(vote_ends.c.id).where(*_is_pair(vote_ends, pair), vote_ends.c.person == person)
        return self._value(statement) is not None


def _is_pair(table: Table, pair: Mapping[str, str]) -> list[Any]:
    return [table.c[name] == pair[name] for name in PAIR]
