"""Words of many scripts, each as its readers see them."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.words import token_spans, tokens, words

FAMILY, FLAG, THUMB = "👩\u200d👩\u200d👧", "🇫🇷", "👍🏽"


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


BETWEEN_SPACES = {
    "latin": "Ärger über Straße naïve façade",
    "latin, decomposed": decomposed("Ärger über naïve façade Việt"),
    "greek": "Καλημέρα κόσμε ᾄδω",
    "greek, decomposed": decomposed("Καλημέρα κόσμε ᾄδω"),
    "cyrillic": "Ёлка йод Київ",
    "cyrillic, decomposed and stressed": decomposed("Ёлка йод Київ") + " за\u0301мок",
    "devanagari": "राम दिल्ली में रहता है क्षमा",
    "bengali": "আমি ঢাকায় থাকি বাংলাদেশের",
    "tamil": "தமிழ்நாடு வாழ்க கொடி",
    "telugu": "తెలుగు భాష క్షేత్రం",
    "sinhala, with joiners": "ක්\u200dරිස්තු ශ්\u200dරී ලංකා",
    "arabic, with vowels": "مُحَمَّدٌ كِتَابٌ جَدِيدٌ",
    "persian, with joiners": "می\u200cخواهم کتاب\u200cها",
    "hebrew, with points": "שָׁלוֹם עוֹלָם",
    "korean": "한국어 단어 나눔",
    "korean, conjoining": decomposed("한국어 단어 나눔"),
    "amharic": "ሰላም ለዓለም",
    "armenian": "Բարեւ աշխարհ",
    "georgian": "გამარჯობა მსოფლიო",
    "digits": "2026 ١٢٣ १२३ ๑๒๓",
}


@pytest.mark.parametrize("text", BETWEEN_SPACES.values(), ids=BETWEEN_SPACES)
def test_what_stands_between_spaces_is_one_word(text: str) -> None:
    assert tokens(text) == text.split()
    assert len(words(text)) == len(text.split())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我住在北京。", ["我", "住", "在", "北", "京", "。"]),
        ("東京タワーへ行く", ["東", "京", "タワー", "へ", "行", "く"]),
        ("ｶﾞﾗｽ", ["ｶﾞﾗｽ"]),
        ("ดีครับ น้ำ", ["ดี", "ค", "รั", "บ", "น้ำ"]),
        ("ສະບາຍດີ", ["ສ", "ະ", "ບ", "າ", "ຍ", "ດີ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("ភាសា", ["ភា", "សា"]),
        ("iPhone手机15", ["iPhone", "手", "机", "15"]),
    ],
)
def test_scripts_without_spaces_are_cut_where_their_readers_could(text: str, wanted: list[str]) -> None:
    assert tokens(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Don't pay 3.50, e-mail!", ["Don", "'", "t", "pay", "3", ".", "50", ",", "e", "-", "mail", "!"]),
        ("foo_bar m² ½", ["foo_bar", "m²", "½"]),
        ("https://a.b/c?d=1", ["https", ":", "/", "/", "a", ".", "b", "/", "c", "?", "d", "=", "1"]),
        ("नमस्ते। क्या?", ["नमस्ते", "।", "क्या", "?"]),
        (f"ok{FAMILY}{FLAG} {THUMB}❤\ufe0f", ["ok", FAMILY, FLAG, THUMB, "❤\ufe0f"]),
        ("\ufeffAnna\u200b \u202bBob\u202c\x00\u3000hy\u00adphen", ["Anna", "Bob", "hy\u00adphen"]),
        (" \r\n\t", []),
    ],
)
def test_signs_stand_alone_and_what_is_not_seen_is_left_out(text: str, wanted: list[str]) -> None:
    assert tokens(text) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zürich", decomposed("zürich")),
        ("한국어", decomposed("한국어")),
        ("ＷＨＥＲＥ", "where"),
        ("STRASSE", "straße"),
        ("می\u200cخواهم", "میخواهم"),
        ("hy\u00adphen", "hyphen"),
        ("“Where” is it…", "where is it"),
    ],
)
def test_words_are_compared_without_regard_to_how_they_are_stored(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"), [("दिन", "दान"), ("কাল", "কূল"), ("கல்", "கால்"), ("ดี", "ดู"), ("schon", "scho\u0308n"), ("كَتَبَ", "كُتِبَ")]
)
def test_words_that_differ_in_a_sign_differ(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_a_text_of_signs_alone_is_told_by_its_signs() -> None:
    assert words(":-) !!") == [":-)", "!!"]
    assert words(" ") == []


@given(st.text(alphabet=st.characters(codec=None), max_size=80))
def test_tokens_stand_in_order_and_leave_out_only_what_is_not_seen(text: str) -> None:
    spans = list(token_spans(text))

    assert [text[start:end] for start, end in spans] == tokens(text)
    assert all(start < end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    covered = {place for start, end in spans for place in range(start, end)}
    letters = {place for place, character in enumerate(text) if unicodedata.category(character) in ("Lu", "Ll", "Nd")}
    assert letters <= covered
