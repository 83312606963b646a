"""Pieces of texts: marked ones that are likely wrong, or missing, by what a model says of each word."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean
from typing import TypeAlias

import numpy as np

from ...arrays import AnyFloats, Bools, Ints
from ...domain.example import Span, Target, spans_in
from ...domain.label_config import Control
from ...domain.quality import ClassPair, IssueKind
from ...domain.span_changes import SpanFault, span_changes
from ...models.decoders.tags import best_tags, spans_of
from ...models.text.tokenised import TokenisedTexts
from ..annotations import AnnotatedRow, AnswerMatrix
from ..consensus import Consensus
from ..label_errors import label_errors
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings, LabelJudge

__all__: list[str] = []

SpansPerText: TypeAlias = Sequence[tuple[Span, ...]]

SMALLEST = 1e-12


class TagsJudge(LabelJudge):
    """Judges each word, and puts together what that says of spans."""

    head = "tags"
    has_spans = True

    def consensus(self, answers: AnswerMatrix, predictions: OutOfSamplePredictions) -> Consensus:  # noqa: ARG002
        """Take the spans that more than half of a text's annotators marked alike.

        How sure that is, is how far the annotators agree: the mean F1 over their pairs, by exact spans. There is no
        model in it, and no quality of an annotator: CROWDLAB knows answers that are right or wrong as a whole.
        """
        targets: list[Target | None] = []
        confidence = []
        for line in answers.codes:
            marks = [answers.targets[code] for code in line[line != AnswerMatrix.UNANSWERED].tolist()]
            counts = Counter(span for target in marks for span in spans_in(target))
            agreed = [span for span, count in counts.items() if 2 * count > len(marks)]
            targets.append(tuple(sorted(agreed)) if marks else None)
            pairs = [AnswerMatrix.answer_f1(one, other) for one, other in combinations(marks, 2)]
            confidence.append(fmean(pairs) if pairs else 1.0)
        return Consensus(answers, targets, confidence, [None] * len(answers.annotators), answers.agreement())

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, _answers: AnswerMatrix, /
    ) -> LabelFindings:
        if predictions.texts is None or predictions.codes is None:
            raise TypeError("probabilities of tags without the words that they are about found; wanted both")
        names, control = predictions.names, predictions.control.name
        positions = np.array([row.position for row in rows], dtype=np.int64)
        units = predictions.texts.units_of(positions)
        marks = [spans_in(row.agreed) for row in rows]
        codes = np.asarray(predictions.codes[units], dtype=np.int64)
        errors = tag_errors(marks, names, predictions.probabilities[units], codes, predictions.texts.take(positions))
        if errors is None:
            return LabelFindings(
                warnings=["all words of all texts are marked alike: label errors could not be looked for"]
            )
        quality, right = errors
        is_error = [spans != suggested for spans, suggested in zip(marks, right, strict=True)]
        return replace(
            self._noise_and_pairs(marks, right, predictions.control),
            quality={row.row.task_id: float(quality[i]) for i, row in enumerate(rows)},
            issues=[
                row.issue(IssueKind.LABEL_ERROR, float(quality[i]), control=control, suggested=right[i])
                for i, row in enumerate(rows)
                if is_error[i]
            ],
            health=1.0 - float(np.mean(is_error)),
        )

    def _noise_and_pairs(self, marks: SpansPerText, suggested: SpansPerText, control: Control) -> LabelFindings:
        """Return the noise per label, counted in spans, and labels that are taken for each other."""
        rows = Counter(span.label for spans in marks for span in spans)
        changes = [change for pair in zip(marks, suggested, strict=True) for change in span_changes(*pair)]
        suspects = Counter(change.given.label for change in changes if change.given)
        missed = Counter(
            change.suggested.label
            for change in changes
            if change.suggested and (change.given is None or change.given.label != change.suggested.label)
        )
        types = Counter(
            (change.given.label, change.suggested.label)
            for change in changes
            if change.fault is SpanFault.WRONG_TYPE and change.given and change.suggested
        )
        counts = ([counter[name] for name in control.label_values] for counter in (rows, suspects, missed))
        pairs = (ClassPair(*pair, count, control=control.name) for pair, count in types.most_common())
        return LabelFindings(
            classes=self.noise(control.name, control.label_values, *counts),
            pairs=tuple(pairs),
            warnings=self.absent_warnings(control.label_values, rows.keys()),
        )


def tag_errors(
    marks: SpansPerText, labels: Sequence[str], probabilities: AnyFloats, codes: Ints, texts: TokenisedTexts
) -> tuple[AnyFloats, SpansPerText] | None:
    """Return the quality of the marks in texts, and the marks with those set right that are likely wrong.

    Every word is judged as a single choice between the labels and none of them: begin and inside of a label are one
    class, since which of them it is hardly ever is the mistake, and thin classes are hard to judge. A text is as good
    as its least likely word (self-confidence and `min` of `cleanlab.token_classification.rank`; Wang and Mueller
    2022). Words are flagged as `label_errors` flags rows; the likeliest spans take the place of the given ones
    wherever a flagged word lies in a piece about which the two differ. So what comes out is a missed span, a spurious
    one, a wrong boundary or a wrong label, and marks that nothing speaks against stay as they are.

    Args:
        marks: spans per text, as people marked them; they may overlap.
        probabilities: per unit of the texts and tag, shape (U, 2K + 1), of a model that was not trained on the text.
        codes: tag per unit that the given spans amount to, shape (U,).

    Returns:
        Qualities, shape (N,), 0 to 1, never NaN, 1 for a text without a word; and the spans per text. None where
        nothing can be said, since all words are marked alike.
    """
    # Tag 0 is outside; then each label has begin and inside.
    chances = np.concatenate([probabilities[:, :1], probabilities[:, 1::2] + probabilities[:, 2::2]], axis=1)
    classes = (codes + 1) // 2
    errors = label_errors(classes, chances)
    if not errors.is_judged.any():
        return None
    given_chance = chances[np.arange(len(classes)), classes].astype(np.float64)
    quality, right = np.ones(len(marks)), []
    for text, spans in enumerate(marks):
        units = slice(int(texts.unit_starts[text]), int(texts.unit_starts[text + 1]))
        flagged = _places(texts, units, errors.is_error[units])
        quality[text] = np.clip(given_chance[units].min(initial=1.0), 0.0, 1.0)
        if not flagged:
            right.append(spans)
            continue
        tags = best_tags(np.log(np.maximum(probabilities[units].astype(np.float64), SMALLEST)))
        right.append(_corrected(spans, spans_of(tags, texts, text, labels), flagged))
    return quality, right


def _places(texts: TokenisedTexts, units: slice, chosen: Bools) -> list[tuple[int, int]]:
    """Return characters from and to of the chosen units."""
    if texts.spans is None:
        return []
    return [(int(start), int(end)) for start, end in texts.spans[units][chosen]]


def _corrected(
    marks: tuple[Span, ...], likely: tuple[Span, ...], flagged: Sequence[tuple[int, int]]
) -> tuple[Span, ...]:
    """Return the given spans, but the likely ones in each stretch of the text with a flagged place."""
    corrected: list[Span] = []
    for start, end, stretch in _stretches({*marks, *likely}):
        is_doubtful = any(begin < end and start < after for begin, after in flagged)
        corrected += [span for span in stretch if span in (likely if is_doubtful else marks)]
    return tuple(sorted(corrected))


def _stretches(spans: set[Span]) -> Iterator[tuple[int, int, list[Span]]]:
    """Yield characters from and to of spans that overlap one another, and these spans, in the order of the text."""
    stretch: list[Span] = []
    end = 0
    for span in sorted(spans):
        if stretch and span.start >= end:
            yield stretch[0].start, end, stretch
            stretch = []
        end = max(end, span.end) if stretch else span.end
        stretch.append(span)
    if stretch:
        yield stretch[0].start, end, stretch
