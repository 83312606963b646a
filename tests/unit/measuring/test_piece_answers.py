"""Answers about marked pieces are measured piece by piece, on the pieces that people answered about."""

import numpy as np
import pytest

from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import ScoredTarget
from ml_backend.measuring.measures.base import Measure
from ml_backend.measuring.piece_answers import measure_of, piece_answers
from tests.unit.tasks.plans import plan

MARKS = '<Labels name="spans" toName="text"><Label value="PER"/></Labels>'
_, CHOICE, STARS = plan(
    MARKS + '<Choices name="c" toName="text" perRegion="true"><Choice value="1"/><Choice value="3"/></Choices>'
    '<Rating name="r" toName="text" perRegion="true"/>'
).controls
# Three pieces, of which the second answer is wrong and one about another place counts for nothing.
TRUE: list[Target | None] = [(Span(0, 1, "1"), Span(2, 3, "3")), None, (Span(0, 5, "3"),)]
GIVEN: list[Target | None] = [(Span(0, 1, "1"), Span(2, 3, "1"), Span(7, 9, "3")), None, (Span(0, 5, "3"),)]


@pytest.mark.parametrize("served", [CHOICE, STARS], ids=["choice", "stars"])
def test_a_row_of_pieces_counts_as_so_many_texts(served: object) -> None:
    served = CHOICE if served is CHOICE else STARS
    each, measure = Measure.of(served.kind.head), measure_of(served)
    single = each.compare(["1", "3", "3"], ["1", "1", "3"], ["1", "3", "3"])

    pair = measure.compare(TRUE, GIVEN, TRUE)

    assert measure.metric == each.metric
    assert pair.scores == single.scores
    assert pair.statistics.shape[:2] == pair.row_scores.shape == (2, 3)
    assert np.isnan(pair.row_scores[:, 1]).all()
    assert pair.row_scores[0, [0, 2]].tolist() == [0.5, 1.0]
    evaluation = measure.evaluate([TRUE[0] or "", TRUE[2] or ""], [GIVEN[0], None], ("1", "3"))
    assert (evaluation.rows, evaluation.unanswered) == (3, 1)


def test_the_confidence_in_each_piece_s_answer_stands_beside_what_people_say() -> None:
    answer = ScoredTarget((Span(0, 1, "1"),), 0.2, {Span(0, 1, "1"): 0.9})

    true, given = piece_answers(CHOICE, [(Span(0, 1, "3"), Span(2, 3, "1"))], [answer])

    assert list(true) == ["3", "1"]
    assert list(given) == [ScoredTarget("1", 0.9, {}), None]
