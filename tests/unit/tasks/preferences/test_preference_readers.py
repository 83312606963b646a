"""Pairs of a better and a worse response, from rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ml_backend.domain.example import PrelabelOutcome, Provenance, Row, Target
from ml_backend.domain.label_config import Control
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.preference import Preference
from ml_backend.tasks.preferences.base import PreferenceReader

TEXTS = tuple(ObjectTag(name, "Text", name) for name in ("prompt", "a", "b"))


def row(number: int, target: Any, texts: Mapping[str, str] | None = None, **more: Any) -> Row:
    targets: dict[str, Target] = {} if target is None else {"c": target}
    return Row(f"task-{number}", number, texts or {"prompt": "Q?"}, targets, (), Provenance(()), **more)


def control(tag: str, *named: str) -> Control:
    shown = {each.name: each for each in TEXTS}
    return Control("c", tag, shown[named[0]], (), other=shown[named[1]] if named[1:] else None)


def pairs(asked: Control, *rows: Row) -> tuple[list[tuple[str, str]], dict[str, list[int]]]:
    left_out: dict[str, list[int]] = {}
    reader = PreferenceReader.of(asked, TEXTS, lambda why, task: left_out.setdefault(why, []).append(task))
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


def test_of_two_responses_to_one_prompt_the_one_rated_higher_is_preferred() -> None:
    rows = [
        row(number, rating, {"prompt": prompt, "a": f"r{number}"})
        for number, (prompt, rating) in enumerate([("Q?", 2), ("q? ", 5), ("Q?", 2), ("Other", 1)], start=1)
    ]
    rated = PreferenceReader.of(control("Rating", "a"), TEXTS[:2])

    assert rated is not None
    assert list(rated.pairs(rows)) == [Preference("Q?", "r2", "r1", (2, 1)), Preference("Q?", "r2", "r3", (2, 3))]
