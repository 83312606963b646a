"""No answer of a model, on whatever a task holds, becomes a value that breaks Label Studio's page or project.

Half an emoji makes every export of a project fail; a place that the editor cannot show is stored as the annotator's.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.domain.annotation import Region
from ml_backend.domain.example import Span
from ml_backend.domain.model import ScoredTarget
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import ServingPlan, serving_plan

LETTERS = st.lists(
    st.sampled_from(["a", " ", "é", "🪁", "👩‍🚀", "\ud83d", "\ude00", "\r\n", "\u2028", "\u2029", "<b>", "<p>", "&"])
).map("".join)
SPANS = st.lists(st.tuples(st.integers(-3, 60), st.integers(-3, 60)), max_size=5)


def plan(shown: str, marking: str) -> ServingPlan:
    labels = f'<{marking} name="ner" toName="shown"><Label value="PER"/></{marking}>'
    return serving_plan(parse_label_config(f'<View><{shown} name="shown" value="$field"/>{labels}</View>'))


PLANS = {
    marking: plan(shown, marking)
    for shown, marking in (("Text", "Labels"), ("HyperText", "HyperTextLabels"), ("Paragraphs", "ParagraphLabels"))
}


def sent(marking: str, field: Any, spans: list[tuple[int, int]]) -> list[Region]:
    """What is sent for a model that marks these places of a task."""
    (served,) = PLANS[marking].controls
    text = PLANS[marking].text({"field": field})
    target = tuple(sorted(Span(start, end, "PER") for start, end in spans))
    regions = served.regions(ScoredTarget(target, 0.5, {}), text)
    json.dumps(regions, ensure_ascii=False).encode()
    return regions


@settings(max_examples=40)
@given(LETTERS, SPANS)
def test_marks_in_a_text_lie_inside_it(text: str, spans: list[tuple[int, int]]) -> None:
    for region in sent("Labels", text, spans):
        value = region["value"]
        assert 0 <= value["start"] < value["end"] <= len(text)
        assert len(value["text"]) == value["end"] - value["start"]


@settings(max_examples=40)
@given(st.lists(st.tuples(LETTERS, LETTERS), max_size=3), SPANS)
def test_marks_in_a_dialogue_lie_inside_a_turn_and_cut_no_character(
    turns: list[tuple[str, str]], spans: list[tuple[int, int]]
) -> None:
    for region in sent("ParagraphLabels", [{"author": name, "text": text} for name, text in turns], spans):
        value = region["value"]
        assert isinstance(value["start"], str)
        assert isinstance(value["end"], str)
        for turn, offset in (("start", "startOffset"), ("end", "endOffset")):
            units = turns[int(value[turn])][1].encode("utf-16-le", errors="surrogatepass")
            # A half that stands in the task itself is none of ours; a pair is never cut.
            before, after = (units[at : at + 2] for at in (2 * value[offset] - 2, 2 * value[offset]))
            assert 0 <= 2 * value[offset] <= len(units)
            assert not (before[1:] in HIGH and after[1:] in LOW) or _is_two_halves(turns[int(value[turn])][1])


@settings(max_examples=40)
@given(LETTERS, SPANS)
def test_marks_in_hypertext_hold_something(html: str, spans: list[tuple[int, int]]) -> None:
    for region in sent("HyperTextLabels", html, spans):
        value = region["value"]
        offsets = value["globalOffsets"]
        assert 0 <= offsets["start"] < offsets["end"]
        assert len(value["text"]) == offsets["end"] - offsets["start"]
        assert (value["start"], value["end"]) == ("", "")


HIGH = [bytes([byte]) for byte in range(0xD8, 0xDC)]
LOW = [bytes([byte]) for byte in range(0xDC, 0xE0)]


def _is_two_halves(text: str) -> bool:
    return any(0xD800 <= ord(letter) < 0xE000 for letter in text)


@pytest.mark.parametrize("draft", ["Yes \ud83d", "\ude00", "a\x00b"])
def test_a_draft_never_holds_half_a_character(draft: str) -> None:
    config = '<View><Text name="p" value="$p"/><TextArea name="answer" toName="p" required="true"/></View>'
    (served,) = serving_plan(parse_label_config(config)).controls

    for region in served.regions(ScoredTarget(draft, 0.5, {}), "x"):
        json.dumps(region, ensure_ascii=False).encode()
