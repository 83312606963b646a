"""Propose what people marked as evidence as entries of gazetteers, and as patterns where it holds a number."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...domain.field_texts import readable_text
from ...domain.snapshot import Split
from ...domain.source import AnswerForm
from ...measuring.source_quality import Share
from ...sources.text import TaskText
from .read import JudgedControl, ReadTexts

__all__ = ["proposed_phrases"]

MOST_WORDS = 8
"""A longer piece is a passage; nobody will write it again."""
NUMBER = "{d+}"
"""How a pattern writes a word of digits."""

_Words = tuple[str, ...]
"""The stems of a phrase, with `{d+}` for each number."""
_Phrase = tuple[str, _Words]
"""A phrase and the label that it tells."""


def proposed_phrases(read: ReadTexts, language: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the phrases that were marked as evidence for a label, the most reliable ones first, and what was left out.

    Each says on how many train rows it was marked, and how many train rows hold it in any inflection, those of the
    label and those of others, with the share of the former and its exact 95% interval. That is an upper bound, as for
    every source that was made from the rows that measure it. A phrase is measured by itself; in a list, a longer entry
    wins where two overlap.

    Args:
        language: by whose inflections words are compared.

    Raises:
        SourceError: the language is not known.
    """
    found: list[dict[str, Any]] = []
    unusable = 0
    for control in read.controls:
        if control.asked.form is AnswerForm.SPANS:
            continue  # what was marked there is an answer, and `labelloop sources entries` proposes it
        spellings: defaultdict[_Phrase, Counter[str]] = defaultdict(Counter)
        marked: defaultdict[_Phrase, set[int]] = defaultdict(set)
        for each in read.reasons.stand:
            for piece in each.evidence if each.control == control.asked.name and each.label else ():
                phrase = _phrase(piece, language)
                if phrase is None:
                    unusable += 1
                    continue
                spellings[each.label, phrase[0]][phrase[1]] += 1
                marked[each.label, phrase[0]].add(each.task_id)
        holding = _rows_holding(read, control, {words for _, words in marked}, language)
        for (label, words), tasks in marked.items():
            entry = spellings[label, words].most_common(1)[0][0]
            found.append(
                _measured(control, label, holding[words])
                | {"entry": entry, "marked": len(tasks), "is_pattern": NUMBER in words}
            )
    sentences = (
        [f"marks left out as no phrases, over {MOST_WORDS} words or with numbers between signs: {unusable}"]
        if unusable
        else []
    )
    return sorted(found, key=_reliability), sentences


def _measured(control: JudgedControl, label: str, rows: Sequence[int]) -> dict[str, Any]:
    """Return how many of these rows people gave the label."""
    number = control.asked.labels.index(label)
    right = sum(any(part[0] == number for part in control.answers[row]) for row in rows)
    return {
        "control": control.asked.name,
        "label": label,
        "with_label": right,
        "with_others": len(rows) - right,
        "precision": Share(right, len(rows)).to_json(),
    }


def _reliability(phrase: Mapping[str, Any]) -> tuple[str, str, float, int, str]:
    return phrase["control"], phrase["label"], -phrase["precision"][0], -phrase["marked"], phrase["entry"]


def _phrase(piece: str, language: str) -> tuple[_Words, str] | None:
    """Return the words of a marked piece, and how they are written as an entry or a pattern.

    None where it holds no word, is a passage, or has signs that mean something else in a pattern.
    """
    text = TaskText.of(piece, language=language)
    words = _words(text)
    places = [number for number, (start, _) in enumerate(text.tokens) if text[start].isalnum()]
    if not places or places[-1] - places[0] >= MOST_WORDS:
        return None
    chosen = slice(places[0], places[-1] + 1)
    if NUMBER in words[chosen]:
        if len(places) < chosen.stop - chosen.start or len(places) == 1:
            return None
        spelled = [
            NUMBER if word == NUMBER else text[start:end] for word, (start, end) in zip(words, text.tokens, strict=True)
        ]
        return words[chosen], " ".join(spelled[chosen])
    (start, _), (_, end) = text.tokens[places[0]], text.tokens[places[-1]]
    return words[chosen], " ".join(text[start:end].split())


def _words(text: TaskText) -> _Words:
    pairs = zip(text.tokens, text.token_stems, strict=True)
    return tuple(NUMBER if text[start:end].isdigit() else stem for (start, end), stem in pairs)


def _rows_holding(
    read: ReadTexts, control: JudgedControl, phrases: set[_Words], language: str
) -> Mapping[_Words, Sequence[int]]:
    """Return the labeled train rows whose texts hold each phrase."""
    train = read.in_split(Split.TRAIN)
    lengths = sorted({len(words) for words in phrases})
    holding: defaultdict[_Words, list[int]] = defaultdict(list)
    for row in control.answers:
        if train[row] and phrases:
            text = readable_text(read.text_of(control, row))
            for words in phrases.intersection(_runs(_words(TaskText.of(text, language=language)), lengths)):
                holding[words].append(row)
    return holding


def _runs(words: _Words, lengths: Sequence[int]) -> Iterator[_Words]:
    return (words[at : at + length] for at in range(len(words)) for length in lengths)
