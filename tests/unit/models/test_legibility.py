"""Measures of how well a tokenizer represents texts: unknown letters, words it confuses, texts that are too long."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ml_backend.errors import EncoderError
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.models.base.legibility import Legibility, longer_texts
from ml_backend.models.base.tokeniser import FastTokeniser, Tokeniser, load_tokeniser

ENGLISH = load_tokeniser(DEFAULT_BASE_MODEL)


def word_pieces(words: str, normalizer: object = None) -> Tokeniser:
    """A tokenizer that knows these words, and pieces of them where they start with ##."""
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words.split()])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if normalizer:
        tokenizer.normalizer = normalizer
    return FastTokeniser(tokenizer, 0)


@pytest.mark.parametrize(
    ("text", "unknown", "spelled"),
    [
        ("Where is my card? It was charged twice.", 0.0, 0.0),
        ("Où est ma carte ? Elle a été débitée deux fois.", 0.0, 0.1),
        ("Wo ist meine Karte, und warum wurde sie zweimal belastet?", 0.0, 0.1),
        ("Gdzie jest moja karta? Została obciążona dwa razy.", 0.0, 0.2),
        ("อาหารอร่อยมากพนักงานบริการดี", 1.0, 0.0),
        ("გამარჯობა მსოფლიო", 1.0, 0.0),
        ("ሰላም ለዓለም", 1.0, 0.0),
        ("நான் சென்னையில் வசிக்கிறேன்", 0.8, 0.2),
        ("我的信用卡丢了请帮我补办", 0.6, 0.0),
        ("भारत एक विशाल देश है जहाँ अनेक भाषाएँ हैं", 0.0, 0.9),
        ("আমি বাংলা কথা বলি", 0.0, 0.9),
        ("Где моя карта? С неё сняли деньги дважды.", 0.0, 0.9),
        ("Πού είναι η κάρτα μου;", 0.0, 0.8),
        ("أين بطاقتي لقد تم خصم المبلغ", 0.0, 0.9),
        ("איפה הכרטיס שלי", 0.0, 0.9),
        ("ok 👍👍👍", 0.0, 0.0),
        ("the key is " + "Zm9v" * 100, 0.0, 0.0),
        ("ดี" * 400, 1.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_scripts_that_an_english_model_cannot_read_are_told_from_those_it_can(
    text: str, unknown: float, spelled: float
) -> None:
    found = Legibility.of([text], ENGLISH)

    assert (found.unknown, found.spelled) == (pytest.approx(unknown, abs=0.1), pytest.approx(spelled, abs=0.15))


def test_letters_are_counted_over_all_texts_together() -> None:
    assert Legibility.of(["card abc", "card"], word_pieces("card")).unknown == pytest.approx(3 / 11)


def test_words_that_differ_in_what_the_tokenizer_drops_are_alike() -> None:
    syllables = [first + second for first in "bcdfghjklm" for second in "aeiou"]
    pairs = " ".join(syllables) + " ba\u0301 be\u0300 bo\u0308"
    stripping = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])

    assert Legibility.of([pairs], word_pieces(" ".join(syllables), stripping)).alike == pytest.approx(6 / 53)
    assert Legibility.of([pairs], word_pieces(pairs)).alike == 0.0
    assert Legibility.of(["ba ba\u0301"], word_pieces("ba", stripping)).alike == 0.0  # too few to tell


def test_unknown_words_are_not_alike_besides() -> None:
    assert Legibility.of([" ".join(f"word{number}" for number in range(60))], word_pieces("card")).alike == 0.0


def test_a_vocabulary_of_bytes_lacks_nothing() -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)

    tokeniser = FastTokeniser(tokenizer, 0)

    assert tokeniser.unknown_id is None
    assert Legibility.of(["ดี 👍 कल"], tokeniser).unknown == 0.0


@pytest.mark.parametrize(
    ("model", "unknown_id"),
    [
        (models.Unigram([("a", -1.0), ("<unk>", 0.0)], unk_id=1), 1),
        (models.Unigram([("a", -1.0)], byte_fallback=False), None),
        (models.WordLevel({"a": 0, "?": 1}, unk_token="?"), 1),
        (models.BPE({"a": 0, "<unk>": 1}, [], unk_token="<unk>"), 1),
    ],
)
def test_unknown_tokens_are_known_for_every_kind_of_vocabulary(model: models.Model, unknown_id: int | None) -> None:
    assert FastTokeniser(Tokenizer(model), 0).unknown_id == unknown_id


@pytest.mark.parametrize("length", [16, 64, 256])
def test_texts_are_too_long_by_their_tokens_and_not_by_their_letters(length: int) -> None:
    room = length - 2  # beside the marks of begin and end
    texts = ["card " * room, "card " * (room + 1), "", "information " * room, "भा " * room, "x"]

    assert longer_texts(texts, ENGLISH, length) == [1, 4]


def test_a_tokenizer_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="holds no config"):
        load_tokeniser(str(tmp_path))
