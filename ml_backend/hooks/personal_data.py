"""Where personal data stands in a text: e-mail addresses, phone numbers, IBANs and payment cards."""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

import regex

__all__ = ["PersonalData", "masked"]

# No part of a pattern can match in two ways, so that hostile texts take no longer than others.
LOCAL_PART = r"[\w.!#$%&'*+/=?^`{|}~-]"
# To the `re` module, an accent or vowel sign that is stored apart from its letter is no part of a word.
EMAIL = regex.compile(rf"(?<!{LOCAL_PART}){LOCAL_PART}++@[\w-]++(?:\.[\w-]++)+")
SEPARATORS = r"[ \u00a0\u202f.-]"
DIGIT_GROUPS = re.compile(rf"(?<![0-9])[0-9]+(?:{SEPARATORS}[0-9]+)*")
GROUP = re.compile(r"[0-9]+")
CARD_DIGITS = range(12, 20)
# First digits and lengths of Visa, Mastercard, American Express, Diners, JCB, Maestro, Discover and UnionPay. Luhn's
# check alone would let a tenth of all order numbers pass.
CARD = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11,16}|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"
    r"|(?:50|5[6-8]|6[0-9])[0-9]{10,17}"
)
IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}")
IBAN_CHARACTER = re.compile(rf"{SEPARATORS}?([A-Za-z0-9])")
IBAN_CHARACTERS = range(15, 35)
# Whatever a phone number is, it has seven digits; the library takes far longer to say so.
PHONE_HINT = re.compile(r"[0-9](?:[^\w]{0,4}[0-9]){6}")
KEPT = frozenset(" \u00a0\u202f\t\n\r@.,-+()/:_")

Range = tuple[int, int]


class PersonalData(StrEnum):
    """What can be found."""

    CARD = "card"
    EMAIL = "email"
    IBAN = "iban"
    PHONE = "phone"


def masked(text: str, kinds: frozenset[PersonalData], region: str) -> str:
    """The text with every letter of what was found as `x` and every digit as `0`.

    Length and punctuation stay, hence also the positions of entities, and a model learns from much the same shapes as
    it will meet.

    Args:
        region: country code, such as `DE`, whose national phone numbers are found as well; "" for international ones
            alone, which start with a plus.
    """
    # A card or an IBAN must not be taken for a phone number, so phone numbers come last.
    for kind, find in _FINDERS.items():
        if kind in kinds:
            for start, end in list(find(text, region)):
                text = text[:start] + "".join(map(_mask, text[start:end])) + text[end:]
    return text


def _mask(character: str) -> str:
    if character in KEPT:
        return character
    return "0" if character.isdigit() else "x"


def _emails(text: str, _region: str) -> Iterator[Range]:
    if "@" in text:
        yield from (found.span() for found in EMAIL.finditer(text))


def _cards(text: str, _region: str) -> Iterator[Range]:
    """Neighbouring groups of digits that together are the number of a card, by issuer, length and Luhn's check."""
    from stdnum import luhn

    for found in DIGIT_GROUPS.finditer(text):
        groups = [group.span() for group in GROUP.finditer(text, *found.span())]
        first = 0
        while first < len(groups):
            digits, end = "", 0
            for last in range(first, len(groups)):
                digits += text[slice(*groups[last])]
                if len(digits) >= CARD_DIGITS.stop:
                    break
                if len(digits) in CARD_DIGITS and CARD.fullmatch(digits) and luhn.is_valid(digits):
                    end = last
                    yield groups[first][0], groups[last][1]
                    break
            first = max(first, end) + 1


def _ibans(text: str, _region: str) -> Iterator[Range]:
    """The longest valid number from each start on that ends where a word does."""
    from stdnum import iban

    for found in IBAN_START.finditer(text):
        characters, ends = found.group(), [found.end()] * len(found.group())
        while len(characters) < IBAN_CHARACTERS.stop and (more := IBAN_CHARACTER.match(text, ends[-1])):
            characters += more.group(1)
            ends.append(more.end())
        for length in range(len(characters), IBAN_CHARACTERS.start - 1, -1):
            end = ends[length - 1]
            if not text[end : end + 1].isalnum() and iban.is_valid(characters[:length]):
                yield found.start(), end
                break


def _phones(text: str, region: str) -> Iterator[Range]:
    if PHONE_HINT.search(text):
        from phonenumbers import PhoneNumberMatcher

        yield from ((found.start, found.end) for found in PhoneNumberMatcher(text, region or None))


_FINDERS: Mapping[PersonalData, Callable[[str, str], Iterator[Range]]] = {
    PersonalData.EMAIL: _emails,
    PersonalData.CARD: _cards,
    PersonalData.IBAN: _ibans,
    PersonalData.PHONE: _phones,
}
