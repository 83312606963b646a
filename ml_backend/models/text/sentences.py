"""Sentences of long texts, which are read one by one."""

import re
from collections.abc import Iterator

__all__ = ["MOST_READ_BYTES", "is_read_in_part", "sentences"]

MOST_READ_BYTES = 20_000
"""A text of up to so many bytes in UTF-8 is read whole: some 5,000 tokens of English, a second of a small model."""
PASSAGE_BYTES = 1000
LONGEST_BYTES = 200
"""A longer sentence is taken apart."""
END = re.compile(
    r"(?<=[.!?\u2026])\s+|(?<=[.!?\u2026][\"\u2019\u201d\u00bb)\]])\s+"
    r"|(?<=[\u3002\uff01\uff1f\u0964])|\s*[\r\n\u2028\u2029]+\s*"
)
"""A sentence ends with its mark and white space, with a mark of a script that puts no space, or with the line."""


def is_read_in_part(text: str) -> bool:
    """True where a text is so long that passages which are spread over it are read, rather than all of it."""
    return len(text) > MOST_READ_BYTES // 4 and len(text.encode(errors="replace")) > MOST_READ_BYTES


def sentences(text: str, most_tokens: int) -> list[str]:
    """Return the sentences of a text in order, none of them blank or longer than 200 bytes; a blank text is one.

    Of a text of more than 20,000 bytes, the sentences of 20 passages of 1,000 bytes are returned: the first ones, the
    last ones, and others evenly spread between them.

    Args:
        most_tokens: of a sentence. A token stands for at least one byte, so that none has more bytes than this either.
    """
    longest = max(min(LONGEST_BYTES, most_tokens), 4)  # a character has up to 4 bytes
    found = (
        piece for passage in _passages(text) for sentence in END.split(passage) for piece in _parts(sentence, longest)
    )
    return [stripped for piece in found if (stripped := piece.strip())] or [""]


def _passages(text: str) -> Iterator[str]:
    if not is_read_in_part(text):
        yield text
        return
    content = text.encode(errors="replace")
    count = MOST_READ_BYTES // PASSAGE_BYTES
    for number in range(count):
        start = number * (len(content) - PASSAGE_BYTES) // (count - 1)
        # What is left of a character that the edge of a passage cuts is ignored.
        yield content[start : start + PASSAGE_BYTES].decode(errors="ignore")


def _parts(sentence: str, longest: int) -> Iterator[str]:
    """Yield a sentence, or parts of a long one that end between words, where there are words."""
    content = sentence.encode(errors="replace")
    start = 0
    while len(content) - start > longest:
        end = content.rfind(b" ", start, start + longest) + 1
        if not end:
            end = start + longest
            while content[end] & 0b1100_0000 == 0b1000_0000:  # within a character
                end -= 1
        yield content[start:end].decode()
        start = end
    if start < len(content):
        yield content[start:].decode()
