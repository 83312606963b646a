"""The texts of several fields of a task as one text, so that everything that handles texts handles them too.

A task that shows one field is that field's text, unchanged. With several fields the text holds all of them, each after
its name, between two control characters that ASCII has for this: a record separator before a field's name, and a unit
separator after it. Both count as white space, so words and normal forms are the same as if spaces stood there.
"""

from collections.abc import Mapping

__all__ = ["field_texts", "join_fields", "readable_text"]

FIELD, NAME_END = "\x1e", "\x1f"
LINE_ENDS = str.maketrans("\u2028\u2029", "\n\n")
SEPARATORS = str.maketrans(FIELD + NAME_END, "  ")


def join_fields(texts: Mapping[str, str]) -> str:
    """Return one text that holds the texts of these fields, in their order.

    It is the text itself where there is one field, and empty where all texts are blank. A separator within a text
    becomes a space where it could be taken for one that stands between fields.
    """
    if len(texts) == 1:
        text = next(iter(texts.values()))
        return f" {text[1:]}" if text.startswith(FIELD) else text
    if not any(text.strip() for text in texts.values()):
        return ""
    return "".join(f"{FIELD}{_clean(name)}{NAME_END}{_clean(text)}" for name, text in texts.items())


def field_texts(text: str) -> dict[str, str]:
    """Return the texts that `join_fields` joined, by name; a text of one field has the name ""."""
    if not text.startswith(FIELD):
        return {"": text}
    fields = (field.partition(NAME_END) for field in text[len(FIELD) :].split(FIELD))
    return {name: field_text for name, _, field_text in fields}


def readable_text(text: str) -> str:
    """Return the text as people and language models read it: `name: text`, a paragraph per field that is not blank.

    Line and paragraph separators, which stand between the turns of a dialogue, become line ends.
    """
    text = text.translate(LINE_ENDS)
    fields = field_texts(text)
    if list(fields) == [""]:
        return text
    return "\n\n".join(f"{name}: {field_text}" for name, field_text in fields.items() if field_text.strip())


def _clean(text: str) -> str:
    return text.translate(SEPARATORS)
