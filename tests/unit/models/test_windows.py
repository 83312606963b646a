"""What a tagger reads: the units of texts, in windows."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.models.base.base_model import Backbone
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.models.text.windows import LEAST_SPANS, Unit, stands_between_spaces, stands_on, tokenise_units
from ml_backend.words import tokens
from tests.tiny_language_models import byte_tokenizer
from tests.tiny_models import tiny_model, tiny_tokenizer

WINDOW = 32
FAMILY = "👩\u200d👩\u200d👧"
TEXTS = [
    f"😀 Bob went to Paris {FAMILY} with Zoe\u0301.\r\nLine two:\tAnn saw 𝒳 Rome.",
    "",
    " \r\n\t\u3000",
    "half \ud83d a pair \udc00",
    "\x00\u202e\u200bcash\ufeff",
    "नमस्ते दुनिया ﷺ 日本語",
    "word",
    "🙂" * 40,
    "card " * 200,
]


def byte_encoder() -> TextEncoder:
    """A tiny model whose tokenizer writes bytes: an emoji is several tokens, and a space belongs to the next word."""
    tokenizer = byte_tokenizer()
    model = tiny_model("bert", vocab_size=len(tokenizer), num_hidden_layers=1)
    backbone = Backbone.of(model, tokenizer, name="bytes", digest="")
    return TextEncoder(backbone, max_length_tokens=WINDOW, use_bf16=False)


def word_encoder() -> TextEncoder:
    """A tiny model whose tokenizer knows words, and marks the begin and the end of a text."""
    backbone = Backbone.of(tiny_model("bert"), tiny_tokenizer(), name="words", digest="")
    return TextEncoder(backbone, max_length_tokens=WINDOW, use_bf16=False)


BYTES, WORDS = byte_encoder(), word_encoder()
ENCODERS = pytest.mark.parametrize("encoder", [BYTES, WORDS], ids=["bytes", "words"])


def pieces(tokenised: TokenisedTexts, texts: Sequence[str]) -> list[list[str]]:
    """The characters of every unit, text by text."""
    assert tokenised.spans is not None
    return [
        [text[start:end] for start, end in tokenised.spans[first:last].tolist()]
        for text, first, last in zip(texts, tokenised.unit_starts[:-1], tokenised.unit_starts[1:], strict=True)
    ]


OF_ALL_KINDS = ["😀", "Bob", "went", "to", "Paris", FAMILY, "with", "Zoe", "\u0301.", "Line", "two", ":", "Ann", "saw"]


@pytest.mark.parametrize(
    ("text", "unit", "wanted"),
    [
        (TEXTS[0], Unit.MODEL_WORD, [*OF_ALL_KINDS, "𝒳", "Rome", "."]),
        ("a \ud800 b", Unit.MODEL_WORD, ["a", "\ud800", "b"]),
        ("\ufeffAnn \u200bwent", Unit.WORD, ["\ufeff", "Ann", "\u200b", "went"]),
        ("@bob saw\thttps://t.co/x , St. Louis", Unit.PIECE, ["@bob", "saw", "https://t.co/x", ",", "St.", "Louis"]),
    ],
    ids=["words and signs", "halves of surrogate pairs", "what is not seen", "what stands between spaces"],
)
def test_words_are_units_and_white_space_belongs_to_none(text: str, unit: Unit, wanted: list[str]) -> None:
    assert pieces(tokenise_units(BYTES, [text], unit), [text]) == [wanted]


def test_tokens_are_units_and_a_character_of_several_tokens_is_one() -> None:
    texts = ["🙂x Zoë"]

    (found,) = pieces(tokenise_units(BYTES, texts, Unit.TOKEN), texts)

    assert found[0] == "🙂"
    assert "ë" in found
    assert "".join(found) == "🙂xZoë"
    assert len(BYTES.locate(texts)[0].ids) > len(found)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(codec=None), max_size=120), max_size=4), st.sampled_from(Unit))
def test_every_character_but_white_space_is_in_one_unit(texts: list[str], unit: Unit) -> None:
    tokenised = tokenise_units(BYTES, texts, unit)

    assert tokenised.texts == len(texts)
    assert tokenised.spans is not None
    for text, first, last in zip(texts, tokenised.unit_starts[:-1], tokenised.unit_starts[1:], strict=True):
        spans = tokenised.spans[first:last]
        assert (spans[:, 0] < spans[:, 1]).all()
        assert (spans[1:, 0] >= spans[:-1, 1]).all()
        covered = {place for start, end in spans.tolist() for place in range(start, end)}
        bare = {place for place, character in enumerate(text) if not character.isspace()}
        assert bare <= covered
        for start, end in spans.tolist():
            assert text[start:end].strip() == text[start:end]


@ENCODERS
@pytest.mark.parametrize("unit", Unit)
def test_every_unit_is_read_once_at_its_own_tokens_in_the_window_with_most_context(
    encoder: TextEncoder, unit: Unit
) -> None:
    random = np.random.default_rng(0)
    text = " ".join("".join(random.choice(list("abcdefgh "), size=6)) for _ in range(60))
    (tokens,) = encoder.locate([text])
    tokenised = tokenise_units(encoder, [text], unit)
    frame, before = encoder.framed([])
    marks = 0 if frame == [encoder.pad_id] else len(frame)
    assert tokenised.places is not None
    assert tokenised.spans is not None
    windows = []
    for sequence in tokenised.sequences:
        assert len(sequence) <= WINDOW
        body = list(sequence[before : len(sequence) - (marks - before)])
        (start,) = [i for i in range(len(tokens.ids)) if list(tokens.ids[i : i + len(body)]) == body]
        windows.append((start, start + len(body)))
    assert len(windows) > 3
    assert (windows[0][0], windows[-1][1]) == (0, len(tokens.ids))
    assert all(later[0] < earlier[1] for earlier, later in pairwise(windows))

    def context(token: int, window: tuple[int, int]) -> float:
        """Tokens on the side that has fewer, the ends of the text being no loss."""
        start, end = window
        left = token - start if start > 0 else np.inf
        right = end - 1 - token if end < len(tokens.ids) else np.inf
        return min(left, right)

    unit = 0
    for window, places in zip(windows, tokenised.places, strict=True):
        for first, end in (places - before + window[0]).tolist():
            assert window[0] <= first < end <= window[1]
            start, last = tokenised.spans[unit].tolist()
            # A byte-level token takes the space before its word along; a word may go on after the window's end.
            read = text[tokens.spans[first][0] : tokens.spans[end - 1][1]].strip()
            assert read == text[start:last] or (end == window[1] and text[start:last].startswith(read))
            most = max(context(first, other) for other in windows if other[0] <= first < other[1])
            assert context(first, window) >= most - 1
            unit += 1
    assert unit == tokenised.units == len(tokenised.spans)


@ENCODERS
def test_odd_texts_are_read_in_order_and_have_finite_vectors(encoder: TextEncoder) -> None:
    tokenised = tokenise_units(encoder, TEXTS, Unit.MODEL_WORD)

    vectors = encoder.vectors(tokenised)

    assert tokenised.texts == len(TEXTS)
    assert np.isfinite(vectors).all()
    assert len(vectors) == tokenised.units
    counts = np.diff(tokenised.unit_starts).tolist()
    assert counts[1:3] == [0, 0]
    assert counts[-1] == 200
    assert all(len(sequence) > 0 for sequence in tokenised.sequences)


@ENCODERS
def test_a_unit_has_the_same_vector_whatever_texts_are_read_beside_it(encoder: TextEncoder) -> None:
    together = tokenise_units(encoder, TEXTS, Unit.MODEL_WORD)
    vectors = encoder.vectors(together)

    for number, text in enumerate(TEXTS):
        alone = encoder.vectors(tokenise_units(encoder, [text], Unit.MODEL_WORD))
        np.testing.assert_allclose(vectors[together.units_of([number])], alone, atol=1e-4)


def unit_length(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def test_a_word_is_the_mean_of_its_tokens() -> None:
    import torch

    text = "unheard-of yesterday"
    tokenised = tokenise_units(BYTES, [text], Unit.MODEL_WORD)
    ids = torch.tensor([tokenised.sequences[0]])
    with torch.inference_mode():
        hidden = BYTES.backbone.module(input_ids=ids).last_hidden_state[0].numpy()

    found = BYTES.vectors(tokenised)[:, : BYTES.width]

    assert tokenised.places is not None
    assert max(end - first for first, end in tokenised.places[0].tolist()) > 1, "every word is one token"
    for vector, (first, end) in zip(found, tokenised.places[0].tolist(), strict=True):
        mean = hidden[first:end].mean(axis=0)
        centred = mean - mean.mean()
        np.testing.assert_allclose(unit_length(vector), unit_length(centred), atol=1e-4)


def test_how_a_word_is_written_is_seen_where_the_model_does_not_see_it() -> None:
    """The tokenizer of the word model writes everything small."""
    tokenised = tokenise_units(WORDS, ["card Card"], Unit.MODEL_WORD)

    assert tokenised.added is not None
    assert np.abs(tokenised.added[0] - tokenised.added[1]).max() > 0.5
    assert WORDS.vectors(tokenised).shape == (2, WORDS.width + tokenised.added.shape[1])


def test_texts_far_beyond_the_window_are_read_to_their_end() -> None:
    text = "cash " * 5_000 + "card"

    tokenised = tokenise_units(WORDS, [text], Unit.MODEL_WORD)

    assert tokenised.units == 5_001
    assert pieces(tokenised, [text])[0][-1] == "card"
    # A quarter of a window is shared with the next one.
    assert len(tokenised.sequences) < 5_001 / (0.7 * (WINDOW - 2))
    assert np.isfinite(WORDS.vectors(tokenised)).all()


@ENCODERS
@given(positions=st.lists(st.integers(0, len(TEXTS) - 1), max_size=6))
@settings(max_examples=25, deadline=None)
def test_taking_some_texts_is_reading_them_alone(encoder: TextEncoder, positions: list[int]) -> None:
    taken = tokenise_units(encoder, TEXTS, Unit.MODEL_WORD).take(positions)

    alone = tokenise_units(encoder, [TEXTS[i] for i in positions], Unit.MODEL_WORD)
    assert [list(row) for row in taken.sequences] == [list(row) for row in alone.sequences]
    for name in ("sequence_starts", "unit_starts", "spans"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(alone, name))
    np.testing.assert_array_equal(taken.added, alone.added)
    for one, other in zip(taken.places or (), alone.places or (), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_texts_are_a_reading_of_nothing() -> None:
    tokenised = tokenise_units(BYTES, [], Unit.MODEL_WORD)

    assert (tokenised.texts, tokenised.units) == (0, 0)
    assert BYTES.vectors(tokenised).shape[0] == 0


def test_a_whole_text_is_one_unit() -> None:
    tokenised = TokenisedTexts.whole([[1, 2], [3]])

    assert (tokenised.texts, tokenised.units, tokenised.unit_starts.tolist()) == (2, 2, [0, 1, 2])
    assert tokenised.places_of([1, 0]) is None
    assert tokenised.take([1, 1]).sequences == [[3], [3]]


@pytest.mark.parametrize(
    ("span", "wanted"),
    [((0, 3), True), ((4, 8), True), ((0, 8), True), ((0, 2), False), ((5, 8), False), ((3, 8), False)],
)
def test_spans_that_begin_or_end_within_words_are_told(span: tuple[int, int], wanted: bool) -> None:
    assert stands_on(Unit.MODEL_WORD, BYTES, ["Bob went", "x"], [[span], []]) is wanted


@pytest.mark.parametrize(
    "text",
    [
        "राम दिल्ली में रहता है।",
        "Müller wohnt in Zürich.",
        "আমি ঢাকায় থাকি",
        "தமிழ்நாடு வாழ்க!",
        "ซื้อ น้ำ",
        "東京タワーへ行く",
        "שָׁלוֹם עוֹלָם",
    ],
)
def test_words_of_any_script_are_units_though_the_tokenizer_cuts_off_their_signs(text: str) -> None:
    (found,) = pieces(tokenise_units(BYTES, [text], Unit.WORD), [text])

    assert found == tokens(text)
    assert [found] != pieces(tokenise_units(BYTES, [text], Unit.MODEL_WORD), [text])


@pytest.mark.parametrize(
    ("text", "span", "wanted"),
    [
        ("Bob went home .", (0, 3), True),
        ("home went Bob", (10, 13), True),
        ("in New York .", (3, 11), True),
        ("Bob's home", (0, 3), False),
        ("home (Bob", (6, 9), False),
    ],
)
def test_texts_of_separated_tokens_are_told_by_their_spans(text: str, span: tuple[int, int], wanted: bool) -> None:
    texts, spans = ["Ann went"] * LEAST_SPANS, [[(0, 3)]] * LEAST_SPANS

    assert stands_between_spaces([*texts, text], [*spans, [span]]) is wanted


def test_a_few_spans_do_not_tell_texts_of_separated_tokens() -> None:
    few = LEAST_SPANS - 1

    assert not stands_between_spaces(["Ann went"] * few, [[(0, 3)]] * few)
