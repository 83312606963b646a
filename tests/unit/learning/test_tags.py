"""Spans to tags and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.domain.example import Span
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.objectives.tags import tags_of
from ml_backend.models.decoders.tags import TagsDecoder, best_tags, spans_of
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.windows import Unit, tokenise_units
from ml_backend.tasks.entities import without_overlaps
from tests.unit.learning.builders import labeled_as
from tests.unit.models.test_windows import BYTES, WORDS

LABELS = ("PER", "LOC", "ORG")
INDEX = {label: k for k, label in enumerate(LABELS)}
ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=80)


def decoded(spans: list[Span], tokenised: TokenisedTexts) -> tuple[Span, ...]:
    """Encoded, learned by heart, and answered."""
    assert tokenised.spans is not None
    tags = tags_of(spans, tokenised.spans, INDEX)
    logits = 20 * np.eye(2 * len(LABELS) + 1, dtype=np.float32)[tags]
    np.testing.assert_array_equal(best_tags(logits.astype(np.float64)), tags)
    (answer,) = TagsDecoder(labels=LABELS).answers(logits, tokenised)
    assert answer.target == spans_of(tags, tokenised, 0, LABELS)
    assert answer.score > 0.99
    return answer.target


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT, st.sampled_from(Unit), st.data())
def test_spans_that_stand_on_units_come_back_as_they_were(text: str, unit: Unit, data: st.DataObject) -> None:
    tokenised = tokenise_units(BYTES, [text], unit)
    assert tokenised.spans is not None
    steps = data.draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from(LABELS)), max_size=tokenised.units)
    )
    spans, unit = [], 0
    for gap, length, label in steps:
        first, last = unit + gap, unit + gap + length - 1
        if last >= tokenised.units:
            break
        spans.append(Span(int(tokenised.spans[first, 0]), int(tokenised.spans[last, 1]), label))
        unit = last + 1

    assert decoded(spans, tokenised) == tuple(spans)


@settings(max_examples=80, deadline=None)
@given(ANY_TEXT, st.data())
def test_other_spans_come_back_as_the_nearest_that_can_be_told(text: str, data: st.DataObject) -> None:
    """In the text, apart from each other, and of every unit that a kept span covers more than half of."""
    place = st.integers(0, len(text))
    drawn = data.draw(st.lists(st.tuples(place, place, st.sampled_from(LABELS)), max_size=5))
    spans = [Span(start, end, label) for start, end, label in drawn if start < end]
    tokenised = tokenise_units(BYTES, [text], Unit.MODEL_WORD)
    assert tokenised.spans is not None

    found = decoded(spans, tokenised)

    kept = without_overlaps(spans)
    assert list(found) == sorted(found)
    assert len(found) <= len(kept)
    for number, span in enumerate(found):
        assert 0 <= span.start < span.end <= len(text)
        assert not any((span.start < other.end and other.start < span.end) for other in found[number + 1 :])
        assert any((span.start < given.end and given.start < span.end) and span.label == given.label for given in kept)
    for start, end in tokenised.spans.tolist():
        owners = [given for given in kept if 2 * (min(end, given.end) - max(start, given.start)) > end - start]
        if owners:
            (owner,) = owners
            (span,) = (span for span in found if span.start <= start and end <= span.end)
            assert span.label == owner.label


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ([Span(0, 3, "PER")], [Span(0, 3, "PER")]),
        ([Span(0, 2, "PER")], [Span(0, 3, "PER")]),  # most of a word
        ([Span(5, 6, "PER")], [Span(4, 8, "PER")]),  # a quarter of one
        ([Span(0, 5, "PER")], [Span(0, 3, "PER")]),  # a word, and a quarter of the next
        ([Span(3, 4, "PER")], []),  # a space
        ([Span(2, 9, "LOC")], [Span(4, 8, "LOC")]),
        ([Span(0, 12, "ORG"), Span(4, 8, "PER")], [Span(0, 12, "ORG")]),  # the whole wins over its part
        ([Span(0, 3, "PER"), Span(4, 8, "PER")], [Span(0, 3, "PER"), Span(4, 8, "PER")]),
        # A quarter of a word yields to the half of it that another span covers, wherever that comes.
        ([Span(4, 5, "PER"), Span(5, 8, "LOC")], [Span(4, 8, "LOC")]),
        ([Span(4, 6, "PER"), Span(6, 8, "LOC")], [Span(4, 8, "PER")]),
        ([], []),
    ],
)
def test_spans_within_words_become_those_of_words(spans: list[Span], wanted: list[Span]) -> None:
    tokenised = tokenise_units(BYTES, ["Bob went home"[:12]], Unit.MODEL_WORD)

    assert decoded(spans, tokenised) == tuple(wanted)


def test_people_who_mark_parts_of_words_have_a_tag_per_token() -> None:
    objective = Objective.of("tags", LABELS)
    texts = ["Bob's card", "call Ann"]
    whole = labeled_as(texts, [(Span(0, 3, "PER"),), (Span(5, 8, "PER"),)])
    part = labeled_as(texts, [(Span(0, 3, "PER"),), (Span(6, 8, "PER"),)])

    assert objective.first_decoder(BYTES, whole).unit is Unit.WORD
    assert objective.first_decoder(BYTES, part).unit is Unit.TOKEN


def test_rows_of_several_windows_are_tagged_through_to_their_end() -> None:
    text = "card " * 100 + "cash"
    objective = Objective.of("tags", LABELS)
    rows = labeled_as([text, "", "money"], [(Span(500, 504, "LOC"), Span(0, 9, "PER")), (), (Span(0, 5, "ORG"),)])
    objective.prepare(WORDS, rows)

    encoded = objective.encode(WORDS, rows)

    assert encoded.codes.tolist() == [1, 2, *[0] * 98, 3, 5]
    assert encoded.take([2, 0]).codes.tolist() == [5, 1, 2, *[0] * 98, 3]
    assert encoded.take([1]).codes.tolist() == []
    assert len(encoded.tokenised.sequences) > 5


def test_the_weight_of_a_row_is_that_of_all_its_units() -> None:
    objective = Objective.of("tags", LABELS)
    rows = labeled_as(["my card", "cash"], [(), (Span(0, 4, "LOC"),)], [0.5, 2.0])
    objective.prepare(WORDS, rows)

    encoded = objective.encode(WORDS, rows)

    assert encoded.unit_weights.tolist() == [0.5, 0.5, 2.0]
    assert encoded.weighted(np.array([1.0, 3.0])).unit_weights.tolist() == [1.0, 1.0, 3.0]


def test_rows_are_dealt_out_by_their_rarest_label() -> None:
    tags, sets = Objective.of("tags", LABELS), Objective.of("sigmoid", LABELS)
    common, rare = Span(0, 1, "PER"), Span(2, 3, "ORG")

    assert tags.strata([(common,), (common, rare), (), (common,)]).tolist() == [0, 2, 3, 0]
    assert sets.strata([("PER",), ("ORG", "PER"), (), ("PER",)]).tolist() == [0, 2, 3, 0]
