"""Which pieces of a text carry which label: a tag per word or token, put together to spans.

Tags are O, then B and I of each label in turn (Ramshaw and Marcus 1995, in the variant where every span begins with
B), so that spans of one label that touch stay two.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from ...arrays import Floats, Floats2d, Ints
from ...domain.example import Span
from ...domain.model import ScoredTarget
from ..text.confidence import Logistic, confidences
from ..text.encoder import Encoder
from ..text.tokenised import TokenisedTexts
from ..text.windows import Unit, tokenise_units
from ..text.word_shapes import WIDTH
from .base import Decoder

__all__ = ["TagsDecoder", "best_tags", "spans_of"]


class TagsDecoder(Decoder):
    """The likeliest spans that do not overlap.

    Attributes:
        unit: the piece of text that gets one tag.
        entity_bias: added to the logits of all tags but O: above 0 finds more spans and more wrong ones.
        span_slope: with `span_offset` the map from a span's mean probability to the confidence in it, see `Logistic`.
        task_slope: with `task_offset` the same from the probability that all tags of a text are right.
    """

    OUTSIDE: ClassVar[int] = 0

    head = "tags"
    unit: Annotated[Unit, Field(strict=False)] = Unit.MODEL_WORD
    entity_bias: float = 0.0
    temperature: float = 1.0
    span_slope: float = 1.0
    span_offset: float = 0.0
    task_slope: float = 1.0
    task_offset: float = 0.0

    @property
    def columns(self) -> int:
        return 2 * len(self.labels) + 1

    def features(self, width: int) -> int:
        return width + WIDTH

    def tokenise(self, encoder: Encoder, texts: Sequence[str]) -> TokenisedTexts:
        return tokenise_units(encoder, texts, self.unit)

    @model_validator(mode="before")
    @classmethod
    def _name_unit(cls, document: Any) -> Any:
        """Read documents from before units had names, which stand in bundles that still serve."""
        if not isinstance(document, Mapping):
            return document
        values = dict(document)
        is_whole, is_piece = values.pop("whole_words", True), values.pop("between_spaces", False)
        former = Unit.PIECE if is_piece else Unit.MODEL_WORD
        return {"unit": former if is_whole else Unit.TOKEN, **values}

    def tagged(self, logits: Floats2d, tokenised: TokenisedTexts) -> list[tuple[list[tuple[Span, float]], float]]:
        """Per text its spans with their mean probability, and the probability that all tags are right."""
        biased = logits.astype(np.float64)
        biased[:, TagsDecoder.OUTSIDE + 1 :] += self.entity_bias
        # Bounded from below, because the logarithm of a probability that underflowed would be infinite.
        log_probabilities = np.log(np.maximum(confidences(biased, self.temperature), 1e-12))
        answers = []
        for text, (start, end) in enumerate(pairwise(tokenised.unit_starts.tolist())):
            tags = best_tags(log_probabilities[start:end])
            chosen = log_probabilities[np.arange(start, end), tags]
            spans = [
                (span, float(np.exp(chosen[first:last].mean())))
                for span, first, last in _spans_and_units(tags, tokenised, text, self.labels)
            ]
            answers.append((spans, float(np.exp(chosen.sum()))))
        return answers

    def answers(self, logits: Floats2d, tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        of_span, of_task = Logistic(self.span_slope, self.span_offset), Logistic(self.task_slope, self.task_offset)
        answers = []
        for spans, joint in self.tagged(logits, tokenised):
            scores = of_span.of(np.array([score for _, score in spans]))
            answers.append(
                ScoredTarget(
                    tuple(span for span, _ in spans),
                    float(of_task.of(np.array([joint]))[0]),
                    {span: float(score) for (span, _), score in zip(spans, scores, strict=True)},
                )
            )
        return answers


def best_tags(log_probabilities: Floats) -> Ints:
    """The likeliest tags in which every I follows a B or I of its label; shape (T,) from (T, 2K + 1).

    Source: Viterbi 1967, with transitions that are either free or forbidden.
    """
    length, columns = log_probabilities.shape
    if not length:
        return np.zeros(0, dtype=np.int64)
    begins, insides = np.arange(1, columns, 2), np.arange(2, columns, 2)
    came_from = np.zeros((length, columns), dtype=np.int64)
    score = log_probabilities[0].copy()
    score[insides] = -np.inf
    for t in range(1, length):
        best = int(score.argmax())
        came_from[t] = best
        following = np.full(columns, score[best])
        from_inside = score[insides] >= score[begins]
        came_from[t, insides] = np.where(from_inside, insides, begins)
        following[insides] = np.maximum(score[insides], score[begins])
        score = following + log_probabilities[t]
    tags = np.zeros(length, dtype=np.int64)
    tags[-1] = int(score.argmax())
    for t in range(length - 1, 0, -1):
        tags[t - 1] = came_from[t, tags[t]]
    return tags


def spans_of(tags: Ints, tokenised: TokenisedTexts, text: int, labels: Sequence[str]) -> tuple[Span, ...]:
    """The spans that the tags of a text's units mean, in order, such as `best_tags` gives."""
    return tuple(span for span, _, _ in _spans_and_units(tags, tokenised, text, labels))


def _spans_and_units(
    tags: Ints, tokenised: TokenisedTexts, text: int, labels: Sequence[str]
) -> Iterator[tuple[Span, int, int]]:
    """Yield the spans of a text with the first unit of each and the one after its last."""
    if tokenised.spans is None:
        return
    edges = tokenised.spans[tokenised.unit_starts[text] :]
    for first, last, k in _unit_spans(tags):
        yield Span(int(edges[first, 0]), int(edges[last - 1, 1]), labels[k]), first, last


def _unit_spans(tags: Ints) -> list[tuple[int, int, int]]:
    """(first unit, unit after the last, label) of every span."""
    spans: list[tuple[int, int, int]] = []
    for position, tag in enumerate(tags.tolist()):
        if tag == TagsDecoder.OUTSIDE:
            continue
        label, is_inside = (tag - 1) // 2, tag % 2 == 0
        if is_inside and spans and spans[-1][1] == position and spans[-1][2] == label:
            spans[-1] = (spans[-1][0], position + 1, label)
        else:
            spans.append((position, position + 1, label))
    return spans
