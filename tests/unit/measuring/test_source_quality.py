"""Label sources measured by what people labeled."""

import numpy as np
import pytest

from ml_backend.domain.source import AnswerForm
from ml_backend.measuring.source_quality import Share, SourceFigures, judged, measured_sources
from ml_backend.measuring.votes import Votes

ROWS = 6


def votes_of(*votes: tuple[int, int, int, int, int]) -> Votes:
    return Votes.of(np.array(votes, dtype=np.int64).reshape(-1, 5))


def rows(*numbers: int) -> np.ndarray:
    return np.isin(np.arange(ROWS), numbers)


def figures(votes: Votes, answers: dict, form: AnswerForm = AnswerForm.ONE) -> dict[int, SourceFigures]:
    """Rows 0 to 2 are train rows, row 3 is a validation row, the others are not labeled, or nobody may look."""
    verdicts = judged(votes, answers)
    return measured_sources(votes, verdicts, train=rows(0, 1, 2), blind=rows(3), sources=(0, 1, 2), form=form)


def one(label: int) -> frozenset:
    return frozenset({(label, 0, 0)})


def test_a_source_is_measured_apart_on_train_and_on_blind_rows() -> None:
    votes = votes_of((0, 0, 1, 0, 0), (1, 0, 1, 0, 0), (3, 0, 1, 0, 0), (4, 0, 1, 0, 0), (3, 1, 0, 0, 0))
    found = figures(votes, {0: one(1), 1: one(0), 2: one(1), 3: one(1)})
    assert (found[0].train, found[0].blind, found[1].blind) == (Share(1, 2), Share(1, 1), Share(0, 1))
    assert (found[0].coverage, found[2].coverage) == (4 / ROWS, 0)


def test_overlaps_conflicts_and_what_a_source_alone_answers() -> None:
    votes = votes_of(
        (0, 0, 1, 0, 0), (0, 1, 1, 0, 0), (1, 0, 1, 0, 0), (1, 1, 0, 0, 0), (2, 0, 1, 0, 0), (4, 0, 1, 0, 0)
    )
    found = figures(votes, {0: one(1), 1: one(1), 2: one(1)})[0]
    assert (found.overlaps, found.conflicts, found.alone, found.alone_right) == (0.5, 0.25, 2, Share(1, 1))


@pytest.mark.parametrize(
    ("form", "other", "conflicts"),
    [
        (AnswerForm.SEVERAL, (0, 1, 0, 0, 0), 0),
        (AnswerForm.SPANS, (0, 1, 1, 2, 6), 1),
        (AnswerForm.SPANS, (0, 1, 1, 4, 6), 0),
        (AnswerForm.SPANS, (0, 1, 1, 0, 4), 0),
        (AnswerForm.SPANS, (0, 1, 0, 0, 4), 1),
    ],
    ids=["several labels", "overlapping pieces", "pieces that touch", "the same piece", "another label for it"],
)
def test_what_excludes_what_depends_on_the_form_of_answers(form: AnswerForm, other: tuple, conflicts: int) -> None:
    start_end = (0, 4) if form is AnswerForm.SPANS else (0, 0)
    assert figures(votes_of((0, 0, 1, *start_end), other), {}, form)[0].conflicts == conflicts


def test_a_piece_is_right_where_label_and_place_are() -> None:
    votes = votes_of((0, 0, 1, 0, 4), (0, 0, 1, 5, 7), (0, 0, 0, 8, 9), (5, 0, 1, 0, 4))
    assert judged(votes, {0: frozenset({(1, 0, 4), (1, 5, 8), (1, 8, 9)})}).tolist() == [0, 1, 0, -1]


def test_the_same_vote_twice_counts_once() -> None:
    assert len(votes_of((0, 0, 1, 0, 0), (1, 0, 1, 0, 0), (0, 0, 1, 0, 0))) == 2


@pytest.mark.parametrize(
    ("right", "decided", "is_below"), [(2, 20, True), (7, 20, False), (0, 19, False), (0, 20, True)]
)
def test_a_share_is_below_the_floor_only_with_confidence(right: int, decided: int, *, is_below: bool) -> None:
    assert Share(right, decided).is_surely_below(0.5) is is_below
