"""Digests and sketches of texts, which tell how similar texts are, and the split of each; the texts are not kept."""

from dataclasses import dataclass

from .snapshot import Split

__all__ = ["PlacedText", "TextSketch"]


@dataclass(frozen=True, slots=True)
class TextSketch:
    """Recognises a text, and texts that resemble it, without holding the text.

    Attributes:
        digest: its `text_digest`.
        signature: one bit per hash function; the share of equal bits of two signatures tells the Jaccard index.
        keys: numbers from -2^63 to 2^63 - 1, of which similar texts are likely to have one or more in common.
        is_long: it has so many words that one of them may differ in a near duplicate.
    """

    digest: str
    signature: bytes
    keys: tuple[int, ...]
    is_long: bool = True


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A text in its split, where it stays.

    Attributes:
        keys: those of the sketch's by which it is to be found.
        is_by_hash: the hash of the text alone decided; not known of texts that were placed before.
    """

    digest: str
    signature: bytes
    keys: tuple[int, ...]
    split: Split
    is_by_hash: bool = False
