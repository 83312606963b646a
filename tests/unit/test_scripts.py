"""Texts of ten scripts through all that looks at letters: words, splits, likeness, places, masks and typing errors."""

import unicodedata

import pytest

from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.snapshot import SplitFractions, text_digest
from ml_backend.hooks.redaction import Redaction
from ml_backend.learning.rows.edits import edited_copies
from ml_backend.snapshots.leakage import find_leaks
from ml_backend.tasks.objects import find_objects
from ml_backend.words import token_spans, words
from tests.unit.hooks.builders import row

# A text, and a name in it that people would mark.
SCRIPTS = {
    "Latin with accents": ("Zoë Müller wohnt in Łódź und zahlt dort für zwei Kaffees mit Käse", "Łódź"),
    "Cyrillic": ("Анна Петрова живёт в Москве и ждёт посылку уже две недели подряд", "Москве"),
    "Greek": ("Η Μαρία μένει στην Αθήνα και περιμένει ακόμη το δέμα της από χθες", "Αθήνα"),
    "Arabic": ("تسكن ليلى في القاهرة وهي تنتظر الطرد منذ أسبوعين ولم يصل بعد", "القاهرة"),
    "Hebrew": ("דנה גרה בירושלים ומחכה לחבילה כבר שבועיים והיא עדיין לא הגיעה", "בירושלים"),
    "Devanagari": ("राधा दिल्ली में रहती है और दो हफ़्ते से अपने पार्सल का इंतज़ार कर रही है", "दिल्ली"),
    "Thai": ("สมชายอยู่ที่กรุงเทพและรอพัสดุมาสองสัปดาห์แล้วแต่ยังไม่ได้รับ", "กรุงเทพ"),
    "Chinese": ("王芳住在北京已经等了两个星期的包裹但是还没有收到任何消息", "北京"),
    "Japanese": ("田中さんは東京に住んでいて二週間も荷物を待っていますがまだ届きません", "東京"),
    "Korean": ("김지수는 서울 에 살고 두 주째 소포를 기다리고 있지만 아직 오지 않았다", "서울"),
}
MAIL = "zoe@example.org"


@pytest.fixture(params=SCRIPTS)
def sample(request: pytest.FixtureRequest) -> tuple[str, str]:
    return SCRIPTS[request.param]


def test_a_name_begins_and_ends_where_words_do_also_within_a_run_of_letters(sample: tuple[str, str]) -> None:
    text, name = sample
    start = text.index(name)
    spans = list(token_spans(text))

    assert start in {begin for begin, _ in spans}
    assert start + len(name) in {end for _, end in spans}
    covered = {place for begin, end in spans for place in range(begin, end)}
    assert {place for place, sign in enumerate(text) if not sign.isspace()} <= covered


def test_a_text_keeps_its_split_and_its_words_however_its_signs_are_stored(sample: tuple[str, str]) -> None:
    text, _ = sample
    others = [unicodedata.normalize("NFD", text), f"  {text.replace(' ', '  ')}\n", text.upper()]

    assert {text_digest(other) for other in others} == {text_digest(text)}
    assert len({SplitFractions().split_of(other) for other in (text, *others)}) == 1
    assert words(others[0]) == words(text)


def test_a_text_with_one_more_word_is_nearly_the_same_and_another_one_is_not(sample: tuple[str, str]) -> None:
    text, name = sample
    longer = " ".join([text] * 4)
    others = [other for other, _ in SCRIPTS.values() if other != text]

    assert find_leaks([f"{longer} {name}"], [longer], 0.8)
    assert find_leaks([text], others, 0.8) == {}


@pytest.mark.parametrize("tag", ["Paragraphs", "HyperText"])
def test_a_mark_comes_back_from_the_places_that_the_editor_counts(sample: tuple[str, str], tag: str) -> None:
    text, name = sample
    kind, shown = find_objects()[tag], ObjectTag("shown", tag, "shown")
    opened = f"👩‍👩‍👧 {text}"
    held = [{"author": "Zoë", "text": opened}] if tag == "Paragraphs" else f"<p>{opened}</p>"
    read = kind.text(shown, {"shown": held})
    start = read.index(name)

    placed = kind.place(start, start + len(name), read)

    assert placed is not None
    assert placed["text"] == name
    back = kind.marked(placed, read)
    assert back is not None
    assert (back["start"], back["end"]) == (start, start + len(name))


def test_an_address_in_it_is_masked_and_nothing_else(sample: tuple[str, str]) -> None:
    text, _ = sample

    masked = Redaction("card,email,iban,phone", "").row_read(row(f"{text} {MAIL} {text}"), {}).input["text"]

    assert masked == f"{text} xxx@xxxxxxx.xxx {text}"


def test_typing_errors_part_no_sign_from_its_letter(sample: tuple[str, str]) -> None:
    text, _ = sample
    copies = [copy for seed in range(5) for copy, _ in edited_copies([text], ["a"], seed=seed)]

    before = {sign for sign in _clusters(text) if len(sign) > 1}
    assert all({sign for sign in _clusters(copy) if len(sign) > 1} <= before for copy in copies)


def _clusters(text: str) -> list[str]:
    """Letters with the signs on them."""
    found: list[str] = []
    for sign in text:
        if found and unicodedata.category(sign).startswith("M"):
            found[-1] += sign
        else:
            found.append(sign)
    return found
