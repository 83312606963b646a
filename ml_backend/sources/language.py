"""Facts about languages for the helpers of rationales: negations, how numbers are written, names of months."""

import re
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


class Language:
    """Facts about a language. Where it has no negations or months here, English ones are looked for.

    Attributes:
        negation: finds a word that negates.
        negates_behind: a negation may follow what it negates.
        point: the sign before decimals.
        long_date: finds dates with a month in words.

    Raises:
        SourceError: not even its inflections are known.
    """

    def __init__(self, name: str) -> None:
        stem("", name)
        self.name = name
        self.negates_behind = name in NEGATES_BEHIND
        self.point = "." if name in POINT_LANGUAGES else ","
        negations = NEGATIONS.get(name, NEGATIONS[ENGLISH])
        self.negation = re.compile(rf"(?<!\w)(?:{negations})(?!\w)", re.IGNORECASE)
        self._months = MONTHS.get(name, MONTHS[ENGLISH]).split()
        month = "|".join(self._month_forms())
        self.long_date = re.compile(
            rf"(?<!\w)(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?\s+(?:of\s+|de\s+)?(?P<month>{month})\.?"
            rf"|(?P<month_before>{month})\.?\s+(?P<day_behind>\d{{1,2}})(?:st|nd|rd|th)?),?\s+(?:de\s+)?"
            r"(?P<year>\d{4})\b",
            re.IGNORECASE,
        )

    def month(self, name: str) -> int:
        """Return the number of a month by its name or the beginning of its name, which `long_date` found."""
        return next(number for number, month in enumerate(self._months, 1) if month.startswith(name.casefold()))

    def _month_forms(self) -> list[str]:
        """Return names of months and short forms, such as `sept`, that stand for one month; the longest first."""
        forms = {month[:end] for month in self._months for end in range(SHORT_MONTH, len(month) + 1)}
        unique = [form for form in forms if form in self._months or sum(m.startswith(form) for m in self._months) == 1]
        return sorted(unique, key=lambda form: (-len(form), form))


@cache
def language_of(name: str) -> Language:
    """Return the facts about a language.

    Raises:
        SourceError: its inflections are not known.
    """
    return Language(name)
