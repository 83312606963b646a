"""Pairs of a better and a worse response, from rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ml_backend.domain.example import Bucket, PrelabelOutcome, Provenance, Row, Target
from ml_backend.domain.label_config import Control
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.offered import join_options
from ml_backend.domain.preference import Preference
from ml_backend.tasks.preferences.base import MOST_PAIRS, PreferenceReader

TEXTS = tuple(ObjectTag(name, "Text", name) for name in ("prompt", "a", "b"))


def row(number: int, target: Any, texts: Mapping[str, str] | None = None, **more: Any) -> Row:
    targets: dict[str, Target] = {} if target is None else {"c": target}
    return Row(f"task-{number}", number, texts or {"prompt": "Q?"}, targets, (), Provenance(()), **more)


def control(tag: str, *named: str) -> Control:
    shown = {each.name: each for each in TEXTS}
    return Control("c", tag, shown[named[0]], (), other=shown[named[1]] if named[1:] else None)


def pairs(asked: Control, *rows: Row) -> tuple[list[tuple[str, str]], dict[str, list[int]]]:
    left_out: dict[str, list[int]] = {}
    read = TEXTS[:2] if asked.options else TEXTS
    reader = PreferenceReader.of(asked, read, lambda why, task: left_out.setdefault(why, []).append(task))
    assert reader is not None
    found = list(reader.pairs(rows))
    assert {pair.prompt for pair in found} <= {"Q?"}
    return [(pair.chosen, pair.rejected) for pair in found], left_out


def test_a_mended_draft_is_rejected_unless_it_says_the_same() -> None:
    mended = replace(row(4, "x").provenance, prelabel=PrelabelOutcome.CHANGED)
    rows = [
        row(1, "Better.", drafts={"c": " Worse."}),
        row(2, "Same  here", drafts={"c": "same here\n"}),
        row(3, "Written anew"),
        replace(row(4, "Lost"), provenance=mended),
        row(5, None, drafts={"c": "x"}),
        row(6, "Good", {"prompt": " "}, drafts={"c": "Bad"}),
    ]

    assert pairs(control("TextArea", "prompt"), *rows) == (
        [("Better.", "Worse.")],
        {
            "the two responses are the same but for white space and case": [2],
            "no draft was mended": [3],
            "the draft that was mended is not at hand": [4],
            "no agreed answer to c": [5],
            "the text is empty": [6],
        },
    )


def test_the_side_that_was_chosen_is_preferred() -> None:
    both = {"prompt": "Q?", "a": "L", "b": "R"}
    rows = [
        row(1, "left", both),
        row(2, "right", both),
        row(3, "right", both | {"b": " "}),
        row(4, "left", both | {"b": "l "}),
    ]

    assert pairs(control("Pairwise", "a", "b"), *rows) == (
        [("L", "R"), ("R", "L")],
        {
            "one of the two texts is empty": [3],
            "the two responses are the same but for white space and case": [4],
        },
    )


def ranker(*buckets: str) -> Control:
    return Control(
        "c", "Ranker", ObjectTag("a", "List", "a"), (), options=ObjectTag("", "Ranker", "a"), buckets=buckets
    )


def ranked(target: Any, **texts: str) -> Row:
    return row(1, target, {"prompt": "Q?", "a": join_options(texts)})


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (("2", "1", "3"), [("two", "one"), ("one", "three")]),
        ({"_": ["1"], "bad": ["3"], "good": ["2"]}, [("two", "three")]),
        ({"good": ["1"], "fair": ["2"], "bad": ["3"]}, [("one", "three"), ("one", "two"), ("two", "three")]),
        ({"good": ["1"], "bad": ["9"]}, []),
    ],
    ids=["neighbours in a list", "what is in no bucket", "the farthest apart first", "an unknown text"],
)
def test_rankings_give_pairs_of_texts_that_were_told_apart(target: Any, found: list[tuple[str, str]]) -> None:
    given = target if isinstance(target, tuple) else tuple(Bucket(name, tuple(ids)) for name, ids in target.items())
    texts = {"1": "one", "2": "two", "3": "three"}

    assert pairs(ranker("good", "fair", "bad"), ranked(given, **texts)) == (
        found,
        {} if found else {"no two of its texts were told apart": [1]},
    )


def test_a_task_gives_so_many_pairs_and_no_more() -> None:
    texts = {str(number): f"text {number}" for number in range(12)}
    ids = list(texts)
    found, left_out = pairs(
        ranker("good", "bad"), ranked((Bucket("good", tuple(ids[:6])), Bucket("bad", tuple(ids[6:]))), **texts)
    )

    assert len(found) == MOST_PAIRS
    assert left_out == {f"a pair beyond {MOST_PAIRS} of one task": [1] * (36 - MOST_PAIRS)}


def test_ratings_of_pieces_compare_no_responses() -> None:
    of_pieces = replace(control("Rating", "a"), attributes={"perregion": "true"})

    assert PreferenceReader.of(of_pieces, TEXTS[:2]) is None


def test_of_two_responses_to_one_prompt_the_one_rated_higher_is_preferred() -> None:
    rows = [
        row(number, rating, {"prompt": prompt, "a": f"r{number}"})
        for number, (prompt, rating) in enumerate([("Q?", 2), ("q? ", 5), ("Q?", 2), ("Other", 1)], start=1)
    ]
    rated = PreferenceReader.of(control("Rating", "a"), TEXTS[:2])

    assert rated is not None
    assert list(rated.pairs(rows)) == [Preference("Q?", "r2", "r1", (2, 1)), Preference("Q?", "r2", "r3", (2, 3))]
