from collections.abc import Sequence

import numpy as np
import pytest

from ml_backend.domain.example import Span
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.quality.judges.tags import tag_errors

LABELS = ("person", "place")
TEXTS = ["Ada lives in York"] * 30 + ["nobody is here"] * 30
RIGHT = [(Span(0, 3, "person"), Span(13, 17, "place"))] * 30 + [()] * 30


def reading_of(texts: Sequence[str]) -> TokenisedTexts:
    """The words of the texts."""
    spans, starts = [], [0]
    for text in texts:
        position = 0
        for word in text.split(" "):
            spans.append((position, position + len(word)))
            position += len(word) + 1
        starts.append(starts[-1] + 1)
    counts = [len(text.split(" ")) for text in texts]
    return TokenisedTexts(
        [[1] * count for count in counts],
        [np.arange(count) for count in counts],
        np.array(starts),
        np.array(spans, dtype=np.int64),
    )


def tags_of(given: Sequence[Sequence[Span]], tokenised: TokenisedTexts) -> np.ndarray:
    """Tag per word of spans that end where words do."""
    tags = np.zeros(tokenised.units, dtype=np.int64)
    for text, spans in enumerate(given):
        units = range(int(tokenised.unit_starts[text]), int(tokenised.unit_starts[text + 1]))
        for span in spans:
            inside = [u for u in units if tokenised.spans[u, 0] < span.end and span.start < tokenised.spans[u, 1]]
            tags[inside] = 2 * LABELS.index(span.label) + 2
            tags[inside[:1]] -= 1
    return tags


def found_in(
    given: Sequence[tuple[Span, ...]], tagged: Sequence[tuple[Span, ...]] | None = None
) -> tuple[np.ndarray, Sequence[tuple[Span, ...]]] | None:
    """Return the findings for spans that a model judges rightly; the tags may belong to other spans."""
    tokenised = reading_of(TEXTS)
    probabilities = np.full((tokenised.units, 2 * len(LABELS) + 1), 0.025)
    probabilities[np.arange(tokenised.units), tags_of(RIGHT, tokenised)] = 0.9
    return tag_errors(given, LABELS, probabilities, tags_of(tagged or given, tokenised), tokenised)


ADA, YORK = RIGHT[0]


@pytest.mark.parametrize(
    "wrong",
    [
        (ADA,),
        (ADA, Span(4, 9, "person"), YORK),
        (ADA, Span(10, 17, "place")),
        (ADA, Span(13, 17, "person")),
        (Span(0, 3, "place"), Span(13, 17, "person")),
        (),
    ],
    ids=["missed", "spurious", "boundary", "type", "two types", "both missed"],
)
def test_marks_that_the_model_speaks_against_are_set_right_and_no_others(wrong: tuple[Span, ...]) -> None:
    given = [*RIGHT]
    given[4] = wrong

    quality, suggested = found_in(given)

    assert suggested == RIGHT
    assert int(quality.argmin()) == 4
    assert quality[4] < 0.1
    assert np.delete(quality, 4).min() > 0.8


def test_a_span_on_a_text_that_should_have_none_is_spurious() -> None:
    given = [*RIGHT]
    given[40] = (Span(0, 6, "person"),)

    assert found_in(given)[1][40] == ()


def test_spans_that_overlap_or_end_within_words_stay_where_nothing_speaks_against_them() -> None:
    given = [*RIGHT]
    given[0] = (ADA, Span(1, 3, "person"), YORK)
    given[1] = (*RIGHT[1], Span(9, 10, "place"))

    assert found_in(given, tagged=RIGHT)[1] == given


def test_where_nothing_is_marked_anywhere_nothing_is_judged() -> None:
    assert found_in([()] * 60) is None


def test_texts_without_words_are_good() -> None:
    words = reading_of(TEXTS)
    empty = TokenisedTexts([[1], [1]], [np.arange(0)] * 2, np.arange(3), np.zeros((0, 2), dtype=np.int64))
    texts = TokenisedTexts(
        [*words.sequences, *empty.sequences],
        [*words.places, *empty.places],
        np.arange(len(TEXTS) + 3),
        words.spans,
    )
    codes = tags_of(RIGHT, words)

    quality, suggested = tag_errors([*RIGHT, (), ()], LABELS, np.full((texts.units, 5), 0.2), codes, texts)

    assert quality[-2:].tolist() == [1.0, 1.0]
    assert suggested[-2:] == [(), ()]
