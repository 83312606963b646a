"""What logits say, kind by kind."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.domain.example import Span
from ml_backend.models.decoders.sigmoid import SigmoidDecoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.decoders.tags import TagsDecoder, best_tags, spans_of
from ml_backend.models.text.tokenised import TokenisedTexts

LABELS = ("angry", "late", "lost")


def nothing_read(texts: int) -> TokenisedTexts:
    return TokenisedTexts.whole([[0]] * texts)


def may_follow(tags: tuple[int, ...]) -> bool:
    """Whether every I comes after a B or I of its label."""
    before = TagsDecoder.OUTSIDE
    for tag in tags:
        if tag and tag % 2 == 0 and before not in (tag - 1, tag):
            return False
        before = tag
    return True


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_the_best_tags_are_those_of_trying_all(length: int, labels: int, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(scale=2.0, size=(length, 2 * labels + 1))
    allowed = [tags for tags in product(range(2 * labels + 1), repeat=length) if may_follow(tags)]
    totals = {tags: sum(scores[t, tag] for t, tag in enumerate(tags)) for tags in allowed}

    found = tuple(best_tags(scores).tolist())

    assert found in totals
    assert totals[found] == pytest.approx(max(totals.values()))


def test_a_likely_inside_makes_the_word_before_it_begin() -> None:
    scores = np.log(np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]))

    assert best_tags(scores).tolist() == [1, 2]


@pytest.fixture
def tokenised() -> TokenisedTexts:
    """`Bob Lee met Ann` and `hello`, word by word."""
    spans = np.array([[0, 3], [4, 7], [8, 11], [12, 15], [0, 5]])
    places = [np.stack([np.arange(n), np.arange(n) + 1], axis=1) for n in (4, 1)]
    return TokenisedTexts([[1, 2, 3, 4], [5]], places, np.array([0, 1, 2]), spans)


def test_touching_spans_of_one_label_stay_two(tokenised: TokenisedTexts) -> None:
    labels = ("PER", "LOC")

    assert spans_of(np.array([1, 2, 0, 3]), tokenised, 0, labels) == (Span(0, 7, "PER"), Span(12, 15, "LOC"))
    assert spans_of(np.array([1, 1, 2, 0]), tokenised, 0, labels) == (Span(0, 3, "PER"), Span(4, 11, "PER"))
    assert spans_of(np.array([0]), tokenised, 1, labels) == ()


def test_tags_are_answered_with_spans_and_how_sure_they_are(tokenised: TokenisedTexts) -> None:
    decoder = TagsDecoder(labels=("PER",))
    logits = np.log(
        np.array([[0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.9, 0.05, 0.05], [0.3, 0.5, 0.2], [0.7, 0.2, 0.1]])
    ).astype(np.float32)

    first, second = decoder.answers(logits, tokenised)

    whole, alone = Span(0, 7, "PER"), Span(12, 15, "PER")
    assert first.target == (whole, alone)
    # A span is as sure as its tags are in the geometric mean, an answer as all of them together.
    assert first.scores == pytest.approx({whole: np.sqrt(0.8 * 0.6), alone: 0.5})
    assert first.score == pytest.approx(0.8 * 0.6 * 0.9 * 0.5)
    assert (second.target, second.scores, second.score) == ((), {}, pytest.approx(0.7))


def test_a_bias_finds_more_and_a_temperature_changes_no_tag(tokenised: TokenisedTexts) -> None:
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    found = [
        {
            span
            for answer in TagsDecoder(labels=("PER",), entity_bias=bias).answers(logits, tokenised)
            for span in answer.target
        }
        for bias in (-9.0, 0.0, 9.0)
    ]

    assert found[0] == set()
    covered = [sum(span.end - span.start for span in spans) for spans in found]
    assert covered[0] <= covered[1] <= covered[2]
    # All words are in some span, and the spaces between those of one.
    assert 12 + 5 <= covered[2] <= 15 + 5
    targets = [
        [answer.target for answer in TagsDecoder(labels=("PER",), temperature=t).answers(logits, tokenised)]
        for t in (0.5, 4.0)
    ]
    assert targets[0] == targets[1]


def test_labels_are_answered_from_their_threshold_on() -> None:
    decoder = SigmoidDecoder(labels=LABELS, thresholds=(0.5, 0.25, 0.9))
    logits = np.array([[0.0, -1.0, 2.0], [-0.01, -1.2, 5.0], [-9.0, -9.0, -9.0]], dtype=np.float32)

    answers = decoder.answers(logits, nothing_read(3))

    assert [answer.target for answer in answers] == [("angry", "late"), ("lost",), ()]
    assert answers[0].scores == pytest.approx({"angry": 0.5, "late": 0.268941, "lost": 0.880797}, abs=1e-5)


def test_an_empty_answer_is_as_sure_as_all_labels_are_absent() -> None:
    (answer,) = SigmoidDecoder(labels=LABELS).answers(np.log(np.array([[0.25, 1 / 9, 1 / 4]])), nothing_read(1))

    assert answer.target == ()
    assert answer.score == pytest.approx(0.8 * 0.9 * 0.8)


def test_calibrated_labels_change_with_slope_and_offset_and_the_answer_with_its_own() -> None:
    logits = np.array([[1.0, -1.0, 0.5]], dtype=np.float32)

    (plain,) = SigmoidDecoder(labels=LABELS).answers(logits, nothing_read(1))
    (moved,) = SigmoidDecoder(labels=LABELS, slope=2.0, offset=-1.5).answers(logits, nothing_read(1))
    (unsure,) = SigmoidDecoder(labels=LABELS, task_offset=-1.0).answers(logits, nothing_read(1))

    assert (plain.target, moved.target) == (("angry", "lost"), ("angry",))
    assert moved.scores["angry"] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert unsure.scores == plain.scores
    assert unsure.score == pytest.approx(1 / (1 + np.exp(-(np.log(plain.score / (1 - plain.score)) - 1))))


def test_offsets_decide_between_labels_and_leave_their_confidences() -> None:
    logits = np.log(np.array([[0.6, 0.3, 0.1], [0.9, 0.06, 0.04]], dtype=np.float32))

    favoured = SoftmaxDecoder(labels=LABELS, offsets=(0.0, 1.0, 0.0)).answers(logits, nothing_read(2))

    assert [answer.target for answer in favoured] == ["late", "angry"]
    assert favoured[0].score == pytest.approx(0.3)
    assert favoured[0].scores == pytest.approx({"angry": 0.6, "late": 0.3, "lost": 0.1})


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=8))
def test_confidences_are_probabilities_whatever_the_logits(rows: list[list[float]]) -> None:
    logits = np.array(rows, dtype=np.float32)

    for decoder in (
        SigmoidDecoder(labels=LABELS, slope=3.0, offset=-1.0),
        SoftmaxDecoder(labels=LABELS, temperature=0.05),
        SoftmaxDecoder(labels=LABELS, temperature=0.05, offsets=(-1.0, 0.0, 2.0)),
    ):
        for answer in decoder.answers(logits, nothing_read(len(rows))):
            assert all(0 <= score <= 1 for score in (answer.score, *answer.scores.values()))


def test_labels_are_sorted_whatever_order_the_config_has() -> None:
    decoder = SigmoidDecoder(labels=("zebra", "ant", "mole"))

    (answer,) = decoder.answers(np.ones((1, 3), dtype=np.float32), nothing_read(1))

    assert answer.target == ("ant", "mole", "zebra")
    assert list(answer.scores) == ["zebra", "ant", "mole"]


def test_no_texts_have_no_answers() -> None:
    nothing = nothing_read(0)

    for decoder in (SoftmaxDecoder(labels=LABELS), SigmoidDecoder(labels=LABELS)):
        assert decoder.answers(np.zeros((0, decoder.columns), dtype=np.float32), nothing) == []
