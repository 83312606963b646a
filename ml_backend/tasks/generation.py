"""Responses to prompts, for supervised fine-tuning: `<TextArea>` on `<Text>`."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..domain.annotation import Region
from ..domain.example import Target
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.object_tag import as_text
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind

__all__: list[str] = []


class Generation(TaskKind):
    """A text that answers a text. A target is the response, without white space around it; there are no labels.

    A text area that may be left empty is taken for a box for remarks beside other controls: nobody wants drafts there.
    Label Studio keeps a list of submissions per text area. The template allows one; where a config allows more, they
    are paragraphs of one response.
    """

    name = "generation"
    head = "text"
    has_labels = False
    example = '<TextArea required="true">'

    def refusal(self, control: Control) -> str | None:
        if control.tag != "TextArea":
            return "is not <TextArea>"
        if not control.has("required"):
            return 'may be left empty, as a box for remarks may; with required="true" responses are drafted for it'
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:  # noqa: ARG002 (the base's shape)
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer()
        submissions = [_paragraphs(region) for region in regions]
        if None in submissions:
            return GivenAnswer(reasons=(Reason.UNREADABLE,))
        response = "\n\n".join(text for paragraphs in submissions for text in paragraphs or ())
        return GivenAnswer(response) if response else GivenAnswer(reasons=(Reason.EMPTY_ANSWER,))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:  # noqa: ARG002 (the base's shape)
        if not isinstance(answer.target, str) or not answer.target.strip():
            return []
        return [self.region(control, "textarea", {"text": [as_text(answer.target)]}, answer.score, id=control.name)]

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """Return the response that more than half of the annotators wrote, but for white space."""
        words = [_words(vote) for vote in votes]
        ((winner, count),) = Counter(words).most_common(1)
        return votes[words.index(winner)] if count * 2 > len(votes) else None

    def standing(self, votes: Sequence[Target]) -> tuple[Target, ...]:
        """Return the response of more than half of the annotators; else every response, for all of them may be good."""
        agreed = self.resolve(votes)
        if agreed is not None:
            return (agreed,)
        return tuple({_words(vote): vote for vote in reversed(votes)}.values())[::-1]


def _words(response: Target) -> str:
    """Return a response without what white space alone tells apart."""
    return " ".join(str(response).split())


def _paragraphs(region: Region) -> list[str] | None:
    """Return the submissions of a region without empty ones; None where the region holds no text."""
    value = region.get("value")
    texts = value.get("text") if isinstance(value, Mapping) else None
    if isinstance(texts, str):
        texts = [texts]
    if region.get("type") != "textarea" or not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        return None
    return [text.strip() for text in texts if text.strip()]
