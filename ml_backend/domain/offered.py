"""The options that a task itself offers as answers to a control, as one text: rows hold them like any other text.

Each option is its id, a line separator (U+2028) and its text, and a paragraph separator (U+2029) stands between two.
"""

from collections.abc import Mapping

__all__ = ["OPTIONS", "join_options", "options_in"]

OPTIONS = "options"
"""The name of the options among the texts that decide which of them is answered; they come last."""
ID_END, OPTION_END = "\u2028", "\u2029"
UNFIT = (ID_END, OPTION_END, "\x1e", "\x1f")
"""What no id can hold, since it would not come back as it was."""
BLANKS = str.maketrans(ID_END + OPTION_END, "\n\n")


def join_options(options: Mapping[str, str]) -> str:
    """Return the texts of options by id as one text; empty where an id or a text is blank, or an id cannot be kept."""
    if not all(name.strip() and text.strip() for name, text in options.items()):
        return ""
    if any(mark in name for name in options for mark in UNFIT):
        return ""
    return OPTION_END.join(f"{name}{ID_END}{text.translate(BLANKS)}" for name, text in options.items())


def options_in(text: str) -> dict[str, str]:
    """Return the texts of the options by id, in their order; none where the text holds no options."""
    pieces = (piece.partition(ID_END) for piece in text.rpartition("\x1f")[2].split(OPTION_END))
    return {name: option for name, mark, option in pieces if mark}
