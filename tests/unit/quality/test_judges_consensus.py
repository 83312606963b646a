import numpy as np
import pytest

from ml_backend.domain.example import Row, Span, Target
from ml_backend.domain.quality import AnnotatorQuality, Disagreement, IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.quality.annotations import AnnotatedRow
from ml_backend.quality.consensus import Consensus, ambiguous_issues
from ml_backend.quality.judges.base import LabelJudge
from ml_backend.quality.predictions import OutOfSamplePredictions
from tests.reviewed_rows import control_of, reviewed

NAMES = ("billing", "cards", "fraud", "loans")
ADA, YORK, YORK_SHIRE = Span(0, 3, "person"), Span(13, 17, "place"), Span(13, 22, "place")


def compared(
    rows: list[Row], head: str, probabilities: np.ndarray | None = None, split: Split = Split.TRAIN
) -> Consensus:
    control, judge = control_of(*NAMES), LabelJudge.of(head)
    given = np.full((len(rows), len(NAMES)), 0.5) if probabilities is None else probabilities
    answers = judge.answer_matrix(AnnotatedRow.of(rows, [split] * len(rows), control), NAMES)
    return judge.consensus(answers, OutOfSamplePredictions(control, head, given))


def by_name(found: Consensus) -> dict[str, AnnotatorQuality]:
    return {each.annotator: each for each in found.annotators("topic")}


def one(found: Consensus) -> Disagreement:
    (disagreement,) = found.disagreements("topic")
    return disagreement


class TestChoices:
    def sure_of(self, rows: int, chosen: int) -> np.ndarray:
        probabilities = np.full((rows, 4), 0.05)
        probabilities[:, chosen] = 0.95
        return probabilities

    def test_annotators_who_choose_half_of_the_same_agree_to_that_extent(self) -> None:
        rows = [reviewed(1, "a", None, {"ann": ("billing",), "bob": ("billing", "cards")})]

        found = by_name(compared(rows, "sigmoid"))

        assert found["ann"].agreement == found["bob"].agreement == pytest.approx(2 / 3)

    def test_the_consensus_is_made_choice_by_choice(self) -> None:
        answers = {"ann": ("billing", "cards"), "bob": ("billing", "fraud"), "cy": ("billing", "cards")}
        rows = [reviewed(1, "a", None, answers)]

        assert one(compared(rows, "sigmoid")).consensus == ("billing", "cards")

    def test_a_model_that_is_sure_of_a_disputed_choice_decides_it(self) -> None:
        sure = [reviewed(n, f"text {n}", None, {"ann": ("cards",), "bob": ("cards",)}) for n in range(2, 20)]
        rows = [reviewed(1, "torn", None, {"ann": ("cards",), "bob": ()}), *sure]

        found = one(compared(rows, "sigmoid", self.sure_of(19, 1)))

        assert found.consensus == ("cards",)
        assert found.quality > 0.5

    def test_an_annotator_who_chooses_at_random_comes_first(self) -> None:
        random = np.random.default_rng(0)

        def drawn() -> Target:
            return tuple(name for name in NAMES if random.random() < 0.5)

        rows = []
        for n in range(60):
            right = drawn()
            rows.append(reviewed(n, f"text {n}", None, {"ann": right, "bob": right, "dice": drawn()}))

        found = compared(rows, "sigmoid")

        dice, *others = found.annotators("topic")
        assert dice.annotator == "dice"
        assert all((each.quality or 0) > (dice.quality or 0) + 0.2 for each in others)
        assert all((each.agreement or 0) > (dice.agreement or 0) for each in others)

    def test_many_disputed_choices_make_a_text_ambiguous(self) -> None:
        rows = [reviewed(1, "a", None, {"ann": NAMES, "bob": ()})]

        (issue,) = ambiguous_issues(compared(rows, "sigmoid").disagreements("topic"))

        assert (issue.kind, issue.task_id, issue.control) == (IssueKind.AMBIGUOUS, 1, "topic")

    def test_annotators_who_always_agree_are_worth_all(self) -> None:
        rows = [reviewed(n, f"text {n}", ("cards",), {"ann": ("cards",), "bob": ("cards",)}) for n in range(3)]

        found = compared(rows, "sigmoid")

        assert found.disagreements("topic") == []
        assert [(each.quality, each.agreement) for each in found.annotators("topic")] == [(1.0, 1.0)] * 2

    def test_nobody_who_answered_is_no_consensus(self) -> None:
        assert compared([reviewed(1, "a", None, {})], "sigmoid").annotators("topic") == []


class TestSpans:
    def test_agreement_is_the_f1_of_exact_spans_between_pairs(self) -> None:
        answers = {"ann": (ADA, YORK), "bob": (ADA,), "cy": (ADA, YORK_SHIRE)}
        rows = [reviewed(1, "Ada lives in Yorkshire", None, answers)]

        found = by_name(compared(rows, "tags"))

        assert found["ann"].agreement == pytest.approx((2 / 3 + 1 / 2) / 2)
        assert found["bob"].agreement == pytest.approx(2 / 3)
        assert found["bob"].quality is None

    def test_the_consensus_holds_what_more_than_half_marked(self) -> None:
        answers = {"ann": (ADA, YORK), "bob": (ADA,), "cy": (YORK_SHIRE,)}
        rows = [reviewed(1, "Ada lives in Yorkshire", None, answers)]

        found = one(compared(rows, "tags"))

        assert found.consensus == (ADA,)
        assert found.quality == pytest.approx((2 / 3 + 0 + 0) / 3)
        assert not found.is_settled
        assert len(ambiguous_issues([found])) == 1

    def test_a_held_out_text_is_told_no_consensus(self) -> None:
        rows = [reviewed(1, "Ada", None, {"ann": (ADA,), "bob": ()})]

        assert one(compared(rows, "tags", split=Split.TEST)).consensus is None

    def test_places_in_texts_that_differ_in_white_space_are_not_compared(self) -> None:
        rows = [
            reviewed(1, "Ada lives in York", (ADA,), {"ann": (ADA,)}),
            reviewed(2, "  Ada lives in York", (Span(2, 5, "person"),), {"bob": (Span(2, 5, "person"),)}),
        ]

        found = compared(rows, "tags")

        assert found.disagreements("topic") == []
        assert {each.agreement for each in found.annotators("topic")} == {None}

    def test_two_who_mark_nothing_agree(self) -> None:
        rows = [reviewed(1, "nobody", (), {"ann": (), "bob": ()})]

        assert [each.agreement for each in compared(rows, "tags").annotators("topic")] == [1.0, 1.0]
