"""Write guidelines for annotators as a page in Markdown, in which no text can pose as part of the page."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...domain.readable import HALF_SURROGATE, shortened

__all__ = ["guidelines_page"]

TEXT_CHARACTERS = 240
HIDDEN = re.compile("[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, among them those that turn the direction of what follows."""
MARKUP = re.compile(r"[\\`*_{}\[\]<>|~$#@]|^[-+=]|^\d+[.)]|://|\bwww\.", re.IGNORECASE)
"""Characters that Markdown or HTML read as markup, and texts that they turn into links."""


def guidelines_page(guidelines: Mapping[str, Any], title: str, made_at: str) -> str:
    """Return the page.

    Args:
        guidelines: as `annotation_guidelines` gives them.
        made_at: the day, as it is to be shown.
    """
    made = f"Made on {made_at} from the reasons of experts and from labeled texts."
    lines = [f"# {_plain(title)}: how to label", "", made]
    has_several = len(guidelines["controls"]) > 1
    for control in guidelines["controls"]:
        lines += _control(control, has_several=has_several)
    return "\n".join(lines) + "\n"


def _control(control: Mapping[str, Any], *, has_several: bool) -> Iterator[str]:
    if has_several:
        yield from ("", f"# {_plain(control['control'])}")
    for label in control["labels"]:
        yield from ("", f"## {_plain(label['display'])}")
        if label["hint"]:
            yield from ("", _plain(label["hint"], most=0))
        for reason in label["reasons"]:
            yield from _reason(reason, label["display"])
        if not label["reasons"]:
            yield from ("", "No reason has been written down yet.")
    if control["confused"]:
        yield from ("", "## Still open", "")
        yield "These labels are confused, and no reason says yet how to tell them apart."
        for pair in control["confused"]:
            yield from _open_pair(pair)
    if control["off"]:
        yield from ("", f"Left out, since they are wrong too often: {', '.join(map(_plain, control['off']))}.")


def _reason(reason: Mapping[str, Any], label: str) -> Iterator[str]:
    told = ", ".join(_plain(each) for each in (reason["by"], reason["when"]) if each)
    words = _plain(reason["reason"], most=0) or f"{_plain(reason['name'])} (no reason was written down)"
    yield from ("", f"**{words}**{f' ({told})' if told else ''}")
    yield from _examples(f"So {_plain(label)} is right for:", reason["examples"], with_answer=False)
    yield from _examples("Near misses, in which people said something else:", reason["near_misses"], with_answer=True)
    yield from _examples("Not meant, since the text says the opposite:", reason["negated"], with_answer=True)


def _open_pair(pair: Mapping[str, Any]) -> Iterator[str]:
    given, answered = (_plain(pair[name]) or "nothing" for name in ("given", "answered"))
    many = f"{pair['count']} times in labeled texts, {pair['uncovered']} of them without a reason"
    yield from ("", f"**{given}**, taken for {answered}: {many}")
    yield from _examples("", pair["examples"], with_answer=False)


def _examples(heading: str, examples: Sequence[Mapping[str, Any]], *, with_answer: bool) -> Iterator[str]:
    if examples:
        yield from ("", heading, "") if heading else ("",)
    for each in examples:
        piece = f"“{_plain(each['piece'])}” in " if each["piece"] else ""
        answer = f": {_plain(each['given'])}" if with_answer else ""
        yield f"- {piece}“{_plain(each['text'])}” (task {each['task_id']}){answer}"


def _plain(text: str, most: int = TEXT_CHARACTERS) -> str:
    """Return a text in one line that is shown as it is.

    Args:
        most: characters that are shown; 0: all.
    """
    line = " ".join(HIDDEN.sub(" ", HALF_SURROGATE.sub("\ufffd", text)).split())
    shown = shortened(line, most) if most else line
    return MARKUP.sub(_escaped, shown.replace("&", "&amp;"))


def _escaped(found: "re.Match[str]") -> str:
    entity = {"<": "&lt;", ">": "&gt;"}.get(found[0])
    return entity or "".join(each if each.isalnum() else f"\\{each}" for each in found[0])
