"""The hook that masks personal data in rows: what is found and masked, and what is not."""

import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.errors import ConfigurationError
from ml_backend.hooks.redaction import Redaction
from tests.unit.hooks.builders import changed, hooks_of, row

LEAK = "jane@example.org"
TEXT = f"Write to {LEAK} in Paris"


def mask(text: str, region: str = "", kinds: str = "card,email,iban,phone") -> str:
    return Redaction(kinds, region).row_read(row(text), {}).input["text"]


def test_texts_free_answers_and_annotators_lose_personal_data() -> None:
    read = replace(row(TEXT, 1, {"draft": f"Dear {LEAK}"}, LEAK), groups={"field sender": LEAK}, drafts={"draft": LEAK})
    (found,) = changed(hooks_of(Redaction("email")), read)
    assert found.input == {"text": "Write to xxxx@xxxxxxx.xxx in Paris"}
    assert found.targets == {"draft": "Dear xxxx@xxxxxxx.xxx"}
    (label,) = found.labels
    assert label.targets == {"draft": "Dear xxxx@xxxxxxx.xxx"}
    assert label.annotator.startswith("annotator-")
    assert LEAK not in repr(found)


def test_annotators_stay_apart() -> None:
    hooks = hooks_of(Redaction("email"))
    found = changed(hooks, row("a", 1, annotator="ann@x.org"), row("a", 2, annotator="bob@x.org"), row("a", 3))
    assert len({each.labels[0].annotator for each in found}) == 3
    assert found[2].labels[0].annotator == "3"


def test_a_label_of_the_config_is_never_masked() -> None:
    hooks = hooks_of(Redaction("email"))
    (found,) = hooks.change_rows([row("a", 1, {"desk": "help@x.org"})], {"desk": frozenset({"help@x.org"})})
    assert found.targets == {"desk": "help@x.org"}


@pytest.mark.parametrize(
    ("kinds", "region", "message"),
    [
        ("email,ssn", "", "LABELLOOP_REDACT: ssn found; wanted some of card, email, iban, phone"),
        ("phone", "Germany", "LABELLOOP_REDACT_REGION: 'Germany' found; wanted a country's code"),
    ],
)
def test_settings_that_cannot_work_are_refused(kinds: str, region: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Redaction(kinds, region)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Mail jane.doe+x@example.org, please", "Mail xxxx.xxx+x@xxxxxxx.xxx, please"),
        ("it's bob@mail.example.co.uk.", "it's xxx@xxxx.xxxxxxx.xx.xx."),
        (
            "36227206271667 30569309025904 3566002020360505 6011111111111117",
            "0" * 14 + " " + "0" * 14 + (" " + "0" * 16) * 2,
        ),
        ("<info@bücher.example>", "<xxxx@xxxxxx.xxxxxxx>"),
        ("card 4111 1111 1111 1111!", "card 0000 0000 0000 0000!"),
        ("5500-0000-0000-0004", "0000-0000-0000-0000"),
        ("order 12 4111111111111111", "order 12 0000000000000000"),
        ("378282246310005 is Amex", "000000000000000 is Amex"),
        ("to DE89 3704 0044 0532 0130 00 today", "to xx00 0000 0000 0000 0000 00 today"),
        ("DE89370400440532013000, bitte", "xx00000000000000000000, bitte"),
        ("gb82west12345698765432", "xx00xxxx00000000000000"),
        ("call +49 30 901820 now", "call +00 00 000000 now"),
        ("４１１１ １１１１\u3000１１１１-１１１１", "0000 0000\u30000000-0000"),
        ("٤١١١١١١١١١١١١١١١", "0000000000000000"),
        ("电话：+８６ １０ ６５５２ ９９８８", "电话：+00 00 0000 0000"),
        ("ｆｏｏ＠ｂａｒ．ｃｏｍ", "xxxxxxxxxxx"),
        ("a@b.de and c@d.fr", "x@x.xx and x@x.xx"),
        ("🙂 a@b.de 🙂", "🙂 x@x.xx 🙂"),
    ],
)
def test_personal_data_are_masked_in_their_shape(text: str, wanted: str) -> None:
    assert mask(text) == wanted


@pytest.mark.parametrize(
    "address", ["mu\u0308ller@zu\u0308rich.ch", "संपर्क@उदाहरण.भारत", "ชื่อ@ที่นี่.ไทย", "যোগাযোগ@উদাহরণ.বাংলা", "имя@пример.рф"]
)
def test_addresses_of_any_script_are_masked_with_all_their_signs(address: str) -> None:
    assert mask(f"<{address}> ok") == f"<{re.sub('[^@.]', 'x', address)}> ok"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user@localhost",
        "@home with @you",
        "4111 1111 1111 1112",
        "1234567890123456",
        "DE89 3704 0044 0532 0130 01",
        "DE89370400440532013000x",
        "order 20250101-12345, 17 boxes",
        "version 1.2.3.4",
        "2026-11-21 08:30:00",
        "030 901820",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert mask(text) == text


def test_national_phone_numbers_need_their_country() -> None:
    assert (mask("030 901820"), mask("030 901820", "DE")) == ("030 901820", "000 000000")


def test_only_what_was_asked_for_is_masked() -> None:
    text = "a@b.de +49 30 901820"
    assert mask(text, kinds="email") == "x@x.xx +49 30 901820"
    assert mask(text, kinds="phone") == "a@b.de +00 00 000000"


@given(st.text(st.sampled_from("ab@.19 -+DE\u00e9🙂\n4")))
def test_no_character_moves_and_masking_twice_changes_nothing_more(text: str) -> None:
    once = mask(text, "DE")
    assert len(once) == len(text)
    assert all(new in (old, "x", "0") for old, new in zip(text, once, strict=True))


@pytest.mark.parametrize("piece", ["a", "a.", "@", "a@", "1", "1 ", "1-", "DE89", "+49", "a@b."])
def test_hostile_texts_take_no_longer_than_long_ones(piece: str) -> None:
    began_s = time.process_time()
    mask(piece * (20_000 // len(piece)), "DE")
    assert time.process_time() - began_s < 5
