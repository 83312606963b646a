"""The hook that masks personal data in rows: e-mail addresses, phone numbers, IBANs and payment cards."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from unicodedata import decimal, normalize

import regex

from ..domain.example import Row, Target
from ..errors import ConfigurationError
from . import hookimpl

__all__ = ["Redaction"]

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
OTHER_FORM = re.compile(r"(?![0-9])\d|[\u3000\uff01-\uff5e]")
KEPT = frozenset(" \u00a0\u202f\u3000\t\n\r@.,-+()/:_")

Range = tuple[int, int]


class _PersonalData(StrEnum):
    """The kinds of personal data."""

    CARD = "card"
    EMAIL = "email"
    IBAN = "iban"
    PHONE = "phone"


class Redaction:
    """Masks personal data in a row's text and in free-text answers; labels of the config stay as they are.

    An annotator who is named by an e-mail address gets a name made from its hash.

    Args:
        region: country code, such as `DE`, whose national phone numbers are found as well; "" for international ones
            alone, which start with a plus.

    Raises:
        ConfigurationError: a kind or the region is unknown.
    """

    def __init__(self, kinds: str, region: str = "") -> None:
        names = [name.strip() for name in kinds.split(",") if name.strip()]
        unknown = sorted(set(names) - {kind.value for kind in _PersonalData})
        if unknown:
            raise ConfigurationError(
                f"LABELLOOP_REDACT: {', '.join(unknown)} found; wanted some of {', '.join(_PersonalData)}, separated "
                "by commas"
            )
        self._kinds = frozenset(map(_PersonalData, names))
        self._region = _checked(region)

    @hookimpl
    def row_read(self, row: Row, labels: Mapping[str, frozenset[str]]) -> Row:
        """Return the row without personal data."""
        return replace(
            row,
            input={name: self._masked(text) for name, text in row.input.items()},
            targets=self._targets(row.targets, labels),
            labels=tuple(
                replace(each, annotator=self._annotator(each.annotator), targets=self._targets(each.targets, labels))
                for each in row.labels
            ),
            groups={kind: self._masked(name) for kind, name in row.groups.items()},
            drafts={name: self._masked(draft) for name, draft in row.drafts.items()},
        )

    def _masked(self, text: str) -> str:
        """Return the text with every letter of personal data as `x` and every digit as `0`.

        Length and punctuation stay, hence also the positions of entities, and a model learns from much the same shapes
        as it will see.
        """
        # A card or an IBAN must not be taken for a phone number, so phone numbers come last.
        for kind, find in _FINDERS.items():
            if kind in self._kinds:
                for start, end in list(find(_even(text), self._region)):
                    text = text[:start] + "".join(map(_mask, text[start:end])) + text[end:]
        return text

    def _targets(self, targets: Mapping[str, Target], labels: Mapping[str, frozenset[str]]) -> dict[str, Target]:
        return {
            name: self._masked(target) if isinstance(target, str) and target not in labels.get(name, ()) else target
            for name, target in targets.items()
        }

    def _annotator(self, name: str) -> str:
        if self._masked(name) == name:
            return name
        return f"annotator-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _checked(region: str) -> str:
    if region:
        from phonenumbers import SUPPORTED_REGIONS

        if region not in SUPPORTED_REGIONS:
            raise ConfigurationError(
                f"LABELLOOP_REDACT_REGION: {region!r} found; wanted a country's code in two capitals, such as DE"
            )
    return region


def _even(text: str) -> str:
    """Return the text with ASCII for full-width characters and for the digits of every script, each in its place."""
    return text if text.isascii() else OTHER_FORM.sub(lambda found: _ascii(found[0]), text)


def _ascii(character: str) -> str:
    return str(decimal(character)) if character.isdecimal() else normalize("NFKC", character)


def _mask(character: str) -> str:
    if character in KEPT:
        return character
    return "0" if character.isdigit() else "x"


def _emails(text: str, _region: str) -> Iterator[Range]:
    if "@" in text:
        yield from (match.span() for match in EMAIL.finditer(text))


def _cards(text: str, _region: str) -> Iterator[Range]:
    """Yield neighbouring groups of digits that together are a card's number, by issuer, length and Luhn's check."""
    from stdnum import luhn

    for match in DIGIT_GROUPS.finditer(text):
        groups = [group.span() for group in GROUP.finditer(text, *match.span())]
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
    """Yield the longest valid number from each start on that ends where a word does."""
    from stdnum import iban

    for match in IBAN_START.finditer(text):
        characters, ends = match.group(), [match.end()] * len(match.group())
        while len(characters) < IBAN_CHARACTERS.stop and (more := IBAN_CHARACTER.match(text, ends[-1])):
            characters += more.group(1)
            ends.append(more.end())
        for length in range(len(characters), IBAN_CHARACTERS.start - 1, -1):
            end = ends[length - 1]
            if not text[end : end + 1].isalnum() and iban.is_valid(characters[:length]):
                yield match.start(), end
                break


def _phones(text: str, region: str) -> Iterator[Range]:
    if PHONE_HINT.search(text):
        from phonenumbers import PhoneNumberMatcher

        yield from ((match.start, match.end) for match in PhoneNumberMatcher(text, region or None))


_FINDERS: Mapping[_PersonalData, Callable[[str, str], Iterator[Range]]] = {
    _PersonalData.EMAIL: _emails,
    _PersonalData.CARD: _cards,
    _PersonalData.IBAN: _ibans,
    _PersonalData.PHONE: _phones,
}
