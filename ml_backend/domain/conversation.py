"""A dialogue as a language model reads it: its turns in the roles of a chat template.

A prompt is a text. That of a dialogue has the turns with a paragraph separator (U+2029) between two of them, and in
each the role, a colon and a line separator (U+2028) before what is said. Any other text is said by a user.
"""

import re
from collections.abc import Mapping, Sequence

from .field_texts import LINE_ENDS, field_texts, readable_text
from .object_tag import ObjectTag

__all__ = ["as_prompt", "prompt_of", "turns_of"]

TURN_END = "\u2029"
NAME_END = "\u2028"
USER, ASSISTANT, SYSTEM = "user", "assistant", "system"
TURN = re.compile(f"({USER}|{ASSISTANT}|{SYSTEM}):{NAME_END}([^{NAME_END}]*)")
ASSISTANT_NAMES = frozenset({ASSISTANT, "agent", "bot", "chatbot", "ai", "model", "operator"})
"""Names of speakers, in lower case, that say by themselves who the assistant is."""


def as_prompt(text: str, shown: ObjectTag) -> str:
    """Return a task's text as a language model reads it: the turns of a dialogue by their roles, all else as people do.

    The system is whoever is called so. The assistant is the speaker that `assistant="NAME"` names on `<Paragraphs>` (or
    several, separated by commas); else one whose name says so, such as `agent`; else everybody but the last one to
    speak, whom the response answers. All others are the user. Where several speakers share a role, their names stay.

    Args:
        text: of one field or several, as `join_fields` returns it; a dialogue among several fields keeps its names.
        shown: what shows the text.
    """
    if shown.tag != "Paragraphs" or list(field_texts(text)) != [""]:
        return readable_text(text)
    lines = [line.partition(NAME_END) if NAME_END in line else ("", "", line) for line in text.split(TURN_END)]
    turns = [(name.removesuffix(":").strip(), said.translate(LINE_ENDS).strip()) for name, _, said in lines]
    spoken = [(name, said) for name, said in turns if said]
    roles = _roles([name for name, _ in spoken], shown)
    merged: list[tuple[str, str]] = []
    for name, said in spoken:
        role = roles[name]
        shares = name and role != SYSTEM and sum(each == role for each in roles.values()) > 1
        words = f"{name}: {said}" if shares else said
        if merged and merged[-1][0] == role:
            words = f"{merged.pop()[1]}\n{words}"
        merged.append((role, words))
    return prompt_of(merged)


def prompt_of(turns: Sequence[tuple[str, str]]) -> str:
    """Return the prompt that has these turns, role and words of each."""
    if len(turns) == 1 and turns[0][0] == USER:
        return turns[0][1].translate(LINE_ENDS)
    return TURN_END.join(f"{role}:{NAME_END}{words.translate(LINE_ENDS)}" for role, words in turns)


def turns_of(prompt: str) -> list[tuple[str, str]]:
    """Return the role and the words of each turn of a prompt, at least one."""
    turns = [TURN.fullmatch(turn) for turn in prompt.split(TURN_END)]
    if any(turn is None for turn in turns):
        return [(USER, prompt)]
    return [(turn[1], turn[2]) for turn in turns if turn is not None]


def _roles(names: Sequence[str], shown: ObjectTag) -> Mapping[str, str]:
    """Return the role of each speaker."""
    asked = {name.strip().casefold() for name in shown.attributes.get(ASSISTANT, "").split(",")} - {""}
    speaking = [name for name in names if name.casefold() != SYSTEM]
    assistants = {name for name in speaking if name.casefold() in (asked or ASSISTANT_NAMES)}
    if not asked and not assistants and speaking:
        assistants = set(speaking) - {speaking[-1]}
    return {
        name: SYSTEM if name.casefold() == SYSTEM else ASSISTANT if name in assistants else USER
        for name in dict.fromkeys(names)
    }
