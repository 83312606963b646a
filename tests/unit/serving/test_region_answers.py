"""A version answers about the pieces that it marks itself, or about those that people answered about."""

from collections.abc import Sequence

from ml_backend.domain.example import Span
from ml_backend.domain.field_texts import field_texts
from ml_backend.domain.model import ScoredTarget
from ml_backend.serving.region_answers import answers_per_region
from ml_backend.tasks.region_rows import MarkedText
from tests.unit.tasks.plans import plan

_, SURE = plan(
    '<Labels name="spans" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'
    '<Choices name="sure" toName="text" perRegion="true" visibleWhen="region-selected" whenLabelValue="PER">'
    '<Choice value="Sure"/><Choice value="Unsure"/></Choices>'
).controls
ANNA, ROME, ANN = Span(0, 4, "PER"), Span(8, 12, "LOC"), Span(0, 3, "PER")


def by_length(texts: Sequence[str]) -> list[ScoredTarget]:
    """Sure of pieces of four letters."""
    fields = [field_texts(text) for text in texts]
    assert all(each["label"] == "PER" for each in fields)
    return [ScoredTarget("Sure" if len(each["mark"]) == 4 else "Unsure", 0.5, {}) for each in fields]


def test_it_answers_about_its_own_marks_with_a_label_that_is_asked_about() -> None:
    marks = {"spans": ScoredTarget((ANNA, ROME, Span(13, 16, "PER")), 0.9, {})}

    found, nothing, unmarked = answers_per_region(
        SURE, by_length, ["Anna in Rome Bob", "Rome", "x"], [marks, {"spans": ScoredTarget((), 0.9, {})}, {}]
    )

    assert found is not None
    assert found.target == (Span(0, 4, "Sure"), Span(13, 16, "Unsure"))
    assert (found.score, found.scores[Span(0, 4, "Sure")]) == (0.25, 0.5)
    assert nothing is unmarked is None


def test_it_is_measured_on_the_pieces_of_people_whatever_it_marks() -> None:
    text = MarkedText("Anna in Rome")
    text.pieces = {"sure": [ANN]}

    (found,) = answers_per_region(SURE, by_length, [text], [{"spans": ScoredTarget((ANNA,), 0.9, {})}])

    assert found is not None
    assert found.target == (Span(0, 3, "Unsure"),)
