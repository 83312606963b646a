"""All kinds, whatever annotators and programs say: over the API a result can hold anything that is JSON."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.example import Span, Target, parts_of
from ml_backend.domain.model import ScoredTarget
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.models.decoders.taxonomy import with_parents
from ml_backend.tasks import find_kinds, serving_plan, template_path
from tests.unit.tasks.plans import TEXT

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def regions_of(control: str, labels: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Regions that are right in some parts and anything in the others."""
    names = st.lists(st.sampled_from([*labels, "gone"]) | anything, max_size=4)
    offsets = st.integers(-5, len(TEXT) + 5) | anything
    value = st.fixed_dictionaries(
        {},
        optional={
            "choices": names | anything,
            "labels": names | anything,
            "start": offsets,
            "end": offsets,
            "taxonomy": st.lists(st.sampled_from([each.split(" > ") for each in labels] or [[]]) | anything),
            "rating": st.integers(-1, 9) | anything,
            "number": st.integers(-1, 999) | st.floats() | anything,
            "selected": st.sampled_from(labels or [""]) | anything,
        },
    )
    return st.fixed_dictionaries(
        {"from_name": st.just(control) | anything},
        optional={
            "to_name": anything,
            "type": st.sampled_from(["choices", "labels", "rating", "number", "taxonomy", "pairwise"]) | anything,
            "value": value | anything,
            "score": anything,
            "meta": anything,
        },
    )


@pytest.mark.parametrize("kind", sorted(find_kinds()))
@given(data=st.data())
def test_whatever_a_result_holds_it_is_an_answer_or_none(kind: str, data: st.DataObject) -> None:
    controls = serving_plan(parse_label_config(template_path(kind).read_text())).controls
    (served,) = (each for each in controls if each.kind.name == kind)
    result = data.draw(st.lists(regions_of(served.name, list(served.control.label_values)), max_size=4))

    target = served.kind.read(served.control, result, TEXT).target

    if target is None:
        return
    parts = parts_of(target)
    assert all(isinstance(part, str | int | float | Span) for part in parts)
    assert list(parts) == sorted(set(parts))
    assert all(0 <= part.start < part.end <= len(TEXT) for part in parts if isinstance(part, Span))
    if kind == "number":  # the template allows whole numbers from 0 to 240, and what is written keeps to that
        parts = tuple(part for part in parts if part in range(241))
        if not parts:
            return
    known = [part for part in parts if set(served.kind.labels_in((part,))) <= set(served.control.label_values)]  # type: ignore[arg-type]
    if len(known) == len(parts):
        written = served.kind.write(served.control, ScoredTarget(target, 0.5, {}), TEXT)
        assert served.kind.read(served.control, written, TEXT).target == target
    assert served.kind.resolve([target]) == target


spans = st.builds(
    lambda start, length, label: Span(start, start + length, label),
    st.integers(0, 30),
    st.integers(1, 12),
    st.sampled_from(["LOC", "ORG", "PER"]),
)


def answered_pieces(labels: st.SearchStrategy[str]) -> st.SearchStrategy[Target]:
    places = st.sampled_from([(0, 3), (0, 5), (9, 12)])
    answers = st.dictionaries(places, labels, min_size=1)
    return answers.map(lambda found: tuple(Span(*place, label) for place, label in sorted(found.items())))


ANSWERS: dict[str, st.SearchStrategy[Any]] = {
    "classification": st.sampled_from("abc"),
    "entities": st.frozensets(spans, max_size=6).map(lambda found: tuple(sorted(found))),
    "generation": st.sampled_from(["yes", "no", "yes  no"]),
    "multiple_choice": st.frozensets(st.sampled_from("abc")).map(lambda found: tuple(sorted(found))),
    "number": st.integers(0, 9) | st.floats(-1e6, 1e6),
    "option": st.sampled_from("abc"),
    "options": st.frozensets(st.sampled_from("abc")).map(lambda found: tuple(sorted(found))),
    "pairwise": st.sampled_from(["left", "right"]),
    "ranker": st.permutations("abc").map(tuple),
    "rating": st.integers(1, 5),
    "region_choice": answered_pieces(st.sampled_from("abc")),
    "region_rating": answered_pieces(st.integers(1, 5).map(str)),
    "taxonomy": st.frozensets(st.sampled_from(["a", "a > b", "c"])).map(with_parents),
}


@pytest.mark.parametrize("name", sorted(find_kinds()))
@given(data=st.data(), random=st.randoms(), count=st.integers(1, 5))
def test_settling_depends_neither_on_order_nor_on_what_nobody_said(
    name: str, data: st.DataObject, random: Any, count: int
) -> None:
    kind = find_kinds()[name]
    votes = data.draw(st.lists(ANSWERS[name], min_size=1, max_size=6))
    agreed = kind.resolve(votes)
    shuffled = list(votes)
    random.shuffle(shuffled)

    assert kind.resolve(shuffled) == agreed
    assert agreed is None or set(parts_of(agreed)) <= {part for vote in votes for part in parts_of(vote)}
    assert kind.resolve([votes[0]] * count) == votes[0]


A, B, LONG_A, OTHER_A = Span(0, 3, "PER"), Span(9, 12, "PER"), Span(0, 5, "PER"), Span(0, 3, "ORG")


@pytest.mark.parametrize(
    ("kind", "votes", "agreed"),
    [
        ("classification", ["a"], "a"),
        ("classification", ["a", "a", "b"], "a"),
        ("classification", ["a", "b"], None),
        ("classification", ["a", "a", "b", "b"], None),
        ("classification", ["a", "b", "c"], None),
        ("multiple_choice", [("a", "b")], ("a", "b")),
        ("multiple_choice", [()], ()),
        ("multiple_choice", [("a",), ("a",)], ("a",)),
        ("multiple_choice", [("a",), ("a", "b")], None),
        ("multiple_choice", [("a",), ()], None),
        ("multiple_choice", [("a", "b"), ("a", "c"), ("a",)], ("a",)),
        ("multiple_choice", [("a",), (), ()], ()),
        ("multiple_choice", [("a",), ("b",), ("c",)], None),
        ("multiple_choice", [("a",), ("b",), (), (), ()], ()),
        ("multiple_choice", [("a",), ("b",), ("c",), ()], None),
        ("entities", [(A, B)], (A, B)),
        ("entities", [()], ()),
        ("entities", [(A,), (A,)], (A,)),
        ("entities", [(A, B), (A,)], None),
        ("entities", [(A,), ()], None),
        ("entities", [(A, B), (A,), (A,)], (A,)),
        ("entities", [(A,), (A,), (LONG_A,)], (A,)),
        ("entities", [(A,), (LONG_A,), ()], None),
        ("entities", [(A,), (OTHER_A,), (LONG_A, B)], None),
        ("entities", [(A,), (), ()], ()),
        ("entities", [(A, B), (A, LONG_A), (A,), ()], (A,)),
        ("generation", ["Block it."], "Block it."),
        ("generation", ["Block it.", "Block  it.\n"], "Block it."),
        ("generation", ["Block it.", "Call us.", "Block it."], "Block it."),
        ("generation", ["Block it.", "Call us."], None),
        ("generation", ["a", "b", "c"], None),
    ],
)
def test_an_answer_stands_that_more_than_half_gave_alike(kind: str, votes: list[Target], agreed: Target | None) -> None:
    assert find_kinds()[kind].resolve(votes) == agreed
