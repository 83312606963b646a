from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.reasons import Reason
from ml_backend.tasks import find_kinds
from ml_backend.tasks.base import GivenAnswer
from ml_backend.tasks.entities import without_overlaps
from tests.unit.tasks.plans import TEXT, control, labels_region

KIND = find_kinds()["entities"]
XML = '<Labels name="spans" toName="text"><Label value="PER"/><Label value="LOC" alias="place"/></Labels>'
SPANS = control(XML)
PARIS, ROME = Span(14, 19, "place"), Span(57, 61, "place")


def overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


names = st.sampled_from(["LOC", "ORG", "PER"])
spans = st.builds(
    lambda start, length, label: Span(start, start + length, label), st.integers(0, 30), st.integers(1, 12), names
)


def read(*regions: Any, text: str = TEXT) -> Target | None:
    return KIND.read(SPANS, regions, text).target


def test_a_region_with_two_labels_is_two_spans_and_the_same_one_twice_is_one() -> None:
    found = read(labels_region(0, 3, ["place", "PER"]), labels_region(0, 3, ["PER"]))

    assert found == (Span(0, 3, "PER"), Span(0, 3, "place"))
    assert KIND.labels_in(read(labels_region(0, 3, ["GONE"])) or ()) == ("GONE",)  # for others to judge
    assert read(labels_region(0, len(TEXT), ["PER"])) == (Span(0, len(TEXT), "PER"),)


@pytest.mark.parametrize("others", [[], [labels_region(0, 3, ["PER"], name="others")]])
def test_nothing_marked_is_an_answer_unless_something_must_be(others: list[Any]) -> None:
    assert KIND.read(SPANS, others, TEXT).target == ()
    assert KIND.read(control(XML.replace("<Labels ", '<Labels required="true" ')), others, TEXT).target is None


@pytest.mark.parametrize(
    "region",
    [
        *(labels_region(start, end, ["PER"]) for start, end in [(-1, 3), (3, 3), (5, 3), (0, len(TEXT) + 1)]),
        *(labels_region(start, end, ["PER"]) for start, end in [(10**30, 10**31), ("0", "3"), (0.0, 3.0)]),
        *(labels_region(start, end, ["PER"]) for start, end in [(False, True), (None, 3)]),
        *(labels_region(0, 3, labels) for labels in ([], "PER", [7], None)),
        {"from_name": "spans", "type": "labels", "value": {"labels": ["PER"]}},
        {"from_name": "spans", "type": "labels", "value": "PER"},
        {"from_name": "spans", "type": "labels"},
        {**labels_region(0, 3, ["PER"]), "type": "hypertextlabels"},
    ],
)
def test_one_region_that_cannot_be_read_voids_the_answer(region: Any) -> None:
    assert read(labels_region(0, 3, ["PER"]), region) is None


@pytest.mark.parametrize(
    ("piece", "word"),
    [
        *((f"{blank}Zoë.{blank}", "Zoë.") for blank in (" ", "\r\n", "\t", "\u00a0", "\u3000", "\u2028")),
        *((f"{blank}Zoë.{blank}", "Zoë.") for blank in ("\u200b", "\ufeff", " \u2060\u2009")),
        ("Paris ", "Paris"),
        (" Paris", "Paris"),
        # These marks hold a word together.
        ("می\u200cخواهم\u200c", "می\u200cخواهم\u200c"),
    ],
    ids=ascii,
)
def test_what_is_white_or_has_no_width_at_the_ends_of_a_span_is_no_part_of_it(piece: str, word: str) -> None:
    start = 5 + piece.index(word)

    found = read(labels_region(5, 5 + len(piece), ["PER"], text=piece), text=f"😀 to {piece}now")

    assert found == (Span(start, start + len(word), "PER"),)


def test_a_mark_on_white_space_alone_is_left_out_and_is_no_answer_by_itself() -> None:
    blank, paris = labels_region(19, 20, ["PER"]), labels_region(14, 19, ["place"])

    assert KIND.read(SPANS, [blank, paris], TEXT) == GivenAnswer((PARIS,), (Reason.BLANK_SPAN,))
    assert KIND.read(SPANS, [blank], TEXT) == GivenAnswer(None, (Reason.EMPTY_ANSWER,))


def test_positions_that_do_not_fit_are_repaired_or_void_the_answer() -> None:
    utf16 = [labels_region(15, 20, ["place"], text="Paris"), labels_region(65, 69, ["place"], text="Rome")]
    lost = labels_region(15, 20, ["place"], text="London")

    assert KIND.read(SPANS, utf16, TEXT) == GivenAnswer((PARIS, ROME), (Reason.MOVED_POSITIONS,))
    assert KIND.read(SPANS, [lost], TEXT) == GivenAnswer(None, (Reason.DOUBTFUL_POSITIONS,))
    assert KIND.read(SPANS, [labels_region(14, 19, ["place"], text="Paris")], TEXT) == GivenAnswer((PARIS,))


def test_every_span_is_a_region_with_its_text_and_its_score() -> None:
    regions = KIND.write(SPANS, ScoredTarget((PARIS, ROME), 0.5, {PARIS: 0.8}), TEXT)

    assert regions[0] == {
        "id": "spans-0",
        "from_name": "spans",
        "to_name": "text",
        "type": "labels",
        "value": {"start": 14, "end": 19, "text": "Paris", "labels": ["place"]},
        "score": 0.8,
    }
    assert [(region["id"], region["score"]) for region in regions] == [("spans-0", 0.8), ("spans-1", 0.5)]


def test_spans_with_unknown_labels_or_outside_the_text_are_not_written() -> None:
    target = (Span(0, 3, "GONE"), Span(2, 2, "PER"), PARIS, Span(60, 99, "PER"))

    regions = KIND.write(SPANS, ScoredTarget(target, 0.5, {}), TEXT)

    assert [region["value"]["text"] for region in regions] == ["Paris"]


@given(st.text(min_size=1, max_size=40), st.data())
def test_what_is_written_reads_back_whatever_the_text(text: str, data: st.DataObject) -> None:
    bounds = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))).filter(lambda pair: pair[0] < pair[1])
    drawn = data.draw(st.frozensets(st.builds(lambda b, n: Span(*b, n), bounds, st.sampled_from(["PER", "place"]))))
    target = tuple(sorted(drawn))

    regions = KIND.write(SPANS, ScoredTarget(target, 0.5, {}), text)

    seen = {trimmed for span in target if (trimmed := span.trimmed(text[span.start : span.end]))}
    assert KIND.read(SPANS, regions, text).target == (tuple(sorted(seen)) if seen or not target else None)
    assert all(region["value"]["text"] == text[region["value"]["start"] : region["value"]["end"]] for region in regions)


def test_of_overlapping_spans_the_longest_stays_then_the_earliest_then_the_first_label() -> None:
    whole, part = Span(0, 9, "ORG"), Span(2, 5, "LOC")
    early, late = Span(20, 24, "PER"), Span(22, 26, "PER")
    first, second = Span(30, 33, "LOC"), Span(30, 33, "PER")

    assert without_overlaps([part, second, late, first, whole, early]) == (whole, early, first)
    assert without_overlaps([Span(0, 3, "PER"), Span(3, 6, "PER")]) == (Span(0, 3, "PER"), Span(3, 6, "PER"))


@given(st.lists(spans, max_size=12), st.randoms())
def test_what_is_left_is_in_order_free_of_overlaps_and_as_much_as_fits(found: list[Span], random: Any) -> None:
    kept = without_overlaps(found)
    shuffled = list(found)
    random.shuffle(shuffled)

    assert without_overlaps(shuffled) == kept
    assert list(kept) == sorted(kept)
    assert set(kept) <= set(found)
    assert not any(overlap(one, other) for one in kept for other in kept if one != other)
    for span in set(found) - set(kept):
        in_the_way = [other.end - other.start for other in kept if overlap(span, other)]
        assert max(in_the_way) >= span.end - span.start
    assert without_overlaps(kept) == kept
