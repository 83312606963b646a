"""Blind votes on the drafts of two versions."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from ...domain.access import Role
from ...errors import PayloadError
from ...workflows.viewing.held_out import SnapshotRows
from ...workflows.voting import Ballots, Choice, vote_results
from ..call import Call
from .base import Endpoint
from .projects import PROJECT

__all__ = ["VoteSheet"]


class VotesAsked(BaseModel, extra="forbid"):
    """Which two versions, by number; 0 is the cold start."""

    left: int = Field(ge=0, le=2**31 - 1)
    right: int = Field(ge=0, le=2**31 - 1)
    control: str = Field("", max_length=255)


class SheetAsked(VotesAsked, extra="forbid"):
    """Which prompt."""

    at: int | None = Field(None, ge=1, le=100_000, description="Null: the first one without a vote.")


class Ballot(VotesAsked, extra="forbid"):
    """A vote of a person on two drafts."""

    at: int = Field(ge=1, le=100_000, description="Number of the prompt, as the person sees them.")
    choice: Choice


class VoteTally(BaseModel):
    """The votes of all people, counted by prompt."""

    first: str
    second: str
    control: str
    snapshot_id: str
    people: int
    votes: Mapping[str, int]
    prompts: int
    first_wins: int
    second_wins: int
    ties: int
    share: float | None = Field(description="Of the prompts that are no ties, those on which the second one wins.")
    low: float | None = Field(description="Lower end of its 95% interval, Wilson's.")
    high: float | None
    sentence: str


class BlindDrafts(BaseModel):
    """Two drafts without names, and the result once the person has asked for it."""

    control: str
    at: int
    count: int = Field(description="Prompts to vote on.")
    cast: int = Field(description="Prompts that the person has voted on.")
    task_id: int
    url: str
    prompt: str
    is_shortened: bool
    people: list[str] = Field(description="What people wrote.")
    drafts: list[str] = Field(description="Left and right.")
    choice: Literal["", "left", "right", "equal", "bad"] = Field(description="The person's vote so far.")
    result: VoteTally | None = Field(description="Null until the person asks for it.")


class CastVote(BaseModel):
    """A vote that is stored."""

    at: int
    cast: int
    count: int
    was_changed: bool


class VoteSheet(Endpoint):
    """Show two drafts without names."""

    name = "vote_sheet"
    path = f"/projects/{PROJECT}/models/votes"
    role = Role.ANALYST

    def answer(self, call: Call, asked: SheetAsked) -> BlindDrafts:
        ballots = _ballots(call, asked)
        cast = ballots.cast()
        open_at = next((at for at, place in enumerate(ballots.places, 1) if place not in cast), 1)
        at = min(asked.at or open_at, len(ballots.places))
        place = ballots.places[at - 1]
        rows = SnapshotRows(call.services, ballots.project, ballots.pair.snapshot_id, ballots.pair.split)
        (row,) = rows.shown(ballots.control, ballots.answers, [place])
        has_ended = ballots.has_ended()
        return BlindDrafts(
            control=ballots.control,
            at=at,
            count=len(ballots.places),
            cast=len(cast),
            task_id=row["task_id"],
            url=row["url"],
            prompt=row["text"],
            is_shortened=row["is_shortened"],
            people=row["true"],
            drafts=[row["given"][side] for side in ballots.order(place)],
            choice=cast.get(place, ""),
            result=VoteTally.model_validate(vote_results(call.services, ballots.key)) if has_ended else None,
        )


class PutVote(Endpoint):
    """Say which of two drafts is better; a later vote on the same prompt takes the place of this one."""

    name = "cast_vote"
    path = VoteSheet.path
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}, versions {left} and {right}, prompt {at}"
    words = "Vote"

    def answer(self, call: Call, asked: Ballot) -> CastVote:
        ballots = _ballots(call, asked)
        was_changed = ballots.vote(asked.at, asked.choice)
        return CastVote(at=asked.at, cast=len(ballots.cast()), count=len(ballots.places), was_changed=was_changed)

    def sentence(self, answer: CastVote) -> str:
        if answer.was_changed:
            return f"Your earlier vote on prompt {answer.at} is replaced."
        return f"Your vote on prompt {answer.at} is kept; {answer.cast} of {answer.count} are cast."


class EndVotes(Endpoint):
    """Ask for the result; whoever has seen it votes on these two versions no more."""

    name = "end_votes"
    path = f"{VoteSheet.path}/end"
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}, versions {left} and {right}"
    words = "End, and show the result"

    def answer(self, call: Call, asked: VotesAsked) -> VoteTally:
        ballots = _ballots(call, asked)
        ballots.end()
        return VoteTally.model_validate(vote_results(call.services, ballots.key))

    def sentence(self, answer: VoteTally) -> str:
        return f"{answer.sentence[:1].upper()}{answer.sentence[1:]}."


class VoteResult(Endpoint):
    """Show what people have said of two versions' drafts.

    Who may vote gets it once they have ended their votes.
    """

    name = "vote_result"
    path = f"{VoteSheet.path}/result"

    def answer(self, call: Call, asked: VotesAsked) -> VoteTally:
        ballots = _ballots(call, asked)
        if call.visitor.role.includes(Role.ANALYST) and not ballots.has_ended():
            voted = f"{len(ballots.cast())} of {len(ballots.places)} prompts"
            raise PayloadError(f"{ballots.person} has voted on {voted} and may go on; {EndVotes.path} ends that")
        return VoteTally.model_validate(vote_results(call.services, ballots.key))


def _ballots(call: Call, asked: VotesAsked) -> Ballots:
    project = call.services.database.projects.get(call.ids["project_id"])
    numbers: Any = (asked.left, asked.right)
    return Ballots.of(call.services, project, numbers, asked.control, call.visitor.name)
