"""What helpers of rationales have to know of a language: negations, how numbers are written, names of months."""

import re
from dataclasses import dataclass
from functools import cache

from .stems import stem

__all__ = ["ENGLISH", "Language", "language_of"]

ENGLISH = "english"

NEGATIONS = {
    ENGLISH: r"no|not|never|none|nobody|nothing|neither|nor|without|cannot|hardly|\w+n['’]?t",
    "german": r"nicht|nichts|nie|niemals|kein\w*|ohne|niemand|weder|kaum",
    "dutch": r"niet|niets|nooit|geen|zonder|niemand|noch",
    "french": r"ne|n['’]\w+|pas|jamais|rien|aucune?|sans|personne|ni",
    "spanish": r"no|nunca|jamás|nada|nadie|ningun[oa]?|ningún|sin|ni|tampoco",
    "italian": r"non|mai|niente|nulla|nessun[oa]?|senza|né",
    "portuguese": r"não|nunca|jamais|nada|ninguém|nenhuma?|sem|nem",
}
NEGATES_BEHIND = {"german", "dutch", "french"}
POINT_LANGUAGES = {ENGLISH}
MONTHS = {
    ENGLISH: "january february march april may june july august september october november december",
    "german": "januar februar märz april mai juni juli august september oktober november dezember",
    "dutch": "januari februari maart april mei juni juli augustus september oktober november december",
    "french": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "italian": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "portuguese": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}
SHORT_MONTH = 3


@dataclass(frozen=True, slots=True)
class Language:
    """What is known of a language. Where it has no negations or months here, English ones are looked for.

    Attributes:
        negation: finds a word that negates.
        negates_behind: a negation may follow what it negates.
        point: the sign before decimals.
        long_date: finds dates with a month in words.
    """

    name: str
    negation: re.Pattern[str]
    negates_behind: bool
    point: str
    long_date: re.Pattern[str]

    def month(self, name: str) -> int:
        """Return the number of a month by its name or the beginning of its name, which `long_date` found."""
        months = MONTHS.get(self.name, MONTHS[ENGLISH]).split()
        return next(number for number, month in enumerate(months, 1) if month.startswith(name.casefold()))


@cache
def language_of(name: str) -> Language:
    """Return what is known of a language.

    Raises:
        SourceError: not even its inflections are known.
    """
    stem("", name)
    months = MONTHS.get(name, MONTHS[ENGLISH]).split()
    # Short forms such as `sept` as well; the longest goes first.
    forms = sorted({month[:end] for month in months for end in range(SHORT_MONTH, len(month) + 1)}, key=len)
    month = "|".join(form for form in reversed(forms) if sum(each.startswith(form) for each in months) == 1)
    long_date = (
        rf"(?<!\w)(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?\s+(?:of\s+|de\s+)?(?P<month>{month})\.?"
        rf"|(?P<month_before>{month})\.?\s+(?P<day_behind>\d{{1,2}})(?:st|nd|rd|th)?),?\s+(?:de\s+)?(?P<year>\d{{4}})\b"
    )
    return Language(
        name,
        re.compile(rf"(?<!\w)(?:{NEGATIONS.get(name, NEGATIONS[ENGLISH])})(?!\w)", re.IGNORECASE),
        name in NEGATES_BEHIND,
        "." if name in POINT_LANGUAGES else ",",
        re.compile(long_date, re.IGNORECASE),
    )
