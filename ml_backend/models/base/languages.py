"""Tell in which languages texts are written, and whether a base model reads them.

The identification is py3langid's, which holds its model: naive Bayes on byte sequences (Lui and Baldwin 2012,
"langid.py: An Off-the-shelf Language Identification Tool").
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

__all__ = ["ENGLISH", "language_shares", "reads_english_alone"]

TEXTS_LOOKED_AT, CHARACTERS_LOOKED_AT = 200, 1000
LEAST_LETTERS, LEAST_CONFIDENCE, LEAST_TEXTS = 6, 0.95, 5
"""Shorter texts, and less certain ones, are not counted; with fewer texts in all, nothing is said."""
LEAST_SHARE = 0.1
ENGLISH_MODELS = re.compile(
    r"(^|/)(all-(minilm|mpnet|distilroberta|roberta)|multi-qa-|msmarco-|bge-(small|base|large)-en|gte-(small|base|large)$"
    r"|e5-(small|base|large)(-v2)?$|(distil)?bert-(base|large)-(un)?cased$|(distil)?roberta-(base|large)$|smollm2?-)",
    re.IGNORECASE,
)
"""Names of base models that were trained on English texts."""
ENGLISH = "English"
NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": ENGLISH,
    "es": "Spanish",
    "et": "Estonian",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "ms": "Malay",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def language_shares(texts: Sequence[str]) -> dict[str, float]:
    """Return the languages of texts by name, each with its share of the texts whose language is clear.

    At most 200 texts, spread over all of them, are looked at. Languages of fewer than a tenth of them are left out,
    since single texts are taken for another language now and then; a language without a name here is its ISO code.
    Empty where the language of fewer than five texts is clear.
    """
    step = max(len(texts) // TEXTS_LOOKED_AT, 1)
    chosen = [text[:CHARACTERS_LOOKED_AT] for text in texts[::step][:TEXTS_LOOKED_AT]]
    found = (_identifier().classify(text) for text in chosen if sum(map(str.isalpha, text)) >= LEAST_LETTERS)
    counts = Counter(code for code, confidence in found if confidence >= LEAST_CONFIDENCE)
    if counts.total() < LEAST_TEXTS:
        return {}
    shares = {NAMES.get(code, code): count / counts.total() for code, count in counts.most_common()}
    return {name: share for name, share in shares.items() if share >= LEAST_SHARE}


def reads_english_alone(base_model: str) -> bool:
    """True for base models that are known, by their names, to have been trained on English texts."""
    return ENGLISH_MODELS.search(base_model) is not None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
