"""Snapshots: immutable sets of reviewed rows, and the rule by which a text belongs to a split."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from .reasons import ReasonCount

__all__ = [
    "ProjectRef",
    "Snapshot",
    "SnapshotManifest",
    "Split",
    "SplitFractions",
    "SplitRule",
    "normal_form",
    "text_digest",
]

SCHEMA_VERSION = 1


class Split(StrEnum):
    """Part of a snapshot. Validation and test together are the held-out rows."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"

    @property
    def is_held_out(self) -> bool:
        """True for validation and test: tasks whose annotators see no pre-label."""
        return self is not Split.TRAIN


class SplitRule(StrEnum):
    """The rule by which texts come into splits. A project keeps the one that it was connected with."""

    TEXT = "text"
    """Each text by its own hash. Projects and snapshots from before there was another rule have this one."""
    GROUP = "group"
    """Texts that resemble each other share a split, decided when the first of them is first seen."""


@dataclass(frozen=True, slots=True)
class SplitFractions:
    """Shares of train, validation and test; they sum to 1.

    Raises:
        ValueError: a share is negative, train is empty, or the sum is not 1.
    """

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        # Written so that NaN fails, since no comparison with NaN is true.
        if not (min(shares) >= 0 and self.train > 0 and abs(sum(shares) - 1) <= 1e-9):
            raise ValueError(
                f"split {shares} found; wanted three shares (train, validation, test) from 0 to 1 that sum to 1, "
                "with a train share above 0, such as 0.8,0.1,0.1"
            )

    @classmethod
    def parse(cls, text: str) -> "SplitFractions":
        """Read `0.8,0.1,0.1`.

        Raises:
            ValueError: not three numbers, or not shares as above.
        """
        try:
            train, validation, test = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError(f"split {text!r} found; wanted three numbers such as 0.8,0.1,0.1") from None
        return cls(train, validation, test)

    def of(self, split: Split) -> float:
        """Return the share of one split."""
        return {Split.TRAIN: self.train, Split.VALIDATION: self.validation, Split.TEST: self.test}[split]

    def split_of(self, text: str) -> Split:
        """Return the split of a text by a stable hash of the normalised text alone.

        It depends neither on the seed, the order nor the rest of the data.
        """
        return self.split_of_digest(text_digest(text))

    def split_of_digest(self, digest: str) -> Split:
        """Return the split of the text with this `text_digest`."""
        position = int(digest[:16], 16) / 2**64
        if position < self.train:
            return Split.TRAIN
        # A share of exactly 0 must stay empty, whatever the rounding of the sums.
        if self.test == 0 or (self.validation > 0 and position < self.train + self.validation):
            return Split.VALIDATION
        return Split.TEST

    def __str__(self) -> str:
        return f"{self.train:g},{self.validation:g},{self.test:g}"


def normal_form(text: str) -> str:
    """Return the text with one form of case, of compatible characters and of white space.

    Two texts with the same result are the same text to the split and to the duplicate check.
    """
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def text_digest(text: str) -> str:
    """Return the sha256 of the normalised text, in hexadecimal."""
    # Label Studio lets halves of surrogate pairs through, which strict UTF-8 refuses.
    return hashlib.sha256(normal_form(text).encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class ProjectRef:
    """A Label Studio project, as named in versions and snapshots.

    Attributes:
        id: Label Studio's id; 0 for rows that came from a file.
        slug: short name, fixed when the project is connected.
    """

    id: int
    slug: str

    @property
    def key(self) -> str:
        """`<slug>-<id>`: the stem of model versions and the name in the registry."""
        return f"{self.slug}-{self.id}"


@dataclass(frozen=True, slots=True)
class SnapshotManifest:
    """The content of `manifest.json`. The snapshot's id depends on all of it but `parent`, `created_at` and `reasons`.

    Where `fields` is empty, it is not written.

    Attributes:
        counts: rows per split, with `unresolved` and `dropped` beside them.
        label_counts: rows per split, control and label.
        dropped: dropped rows per reason.
        files: sha256 per file name.
        warnings: what a reader should know before trusting the rows, in sentences.
        fields: the names of the fields that are read; empty: the text of the first served control alone.
        parent: id of the project's previous snapshot, or None.
        reasons: which tasks and single answers were left out or repaired, and why. Empty in manifests that were
            written before reasons were kept.
        split_rule: the rule by which rows came into splits.
    """

    id: str
    project: ProjectRef
    label_config: str
    label_config_fingerprint: str
    review_rule: str
    split: SplitFractions
    seed: int
    counts: Mapping[str, int]
    label_counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    dropped: Mapping[str, int]
    files: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    parent: str | None = None
    created_at: str | None = None
    reasons: tuple[ReasonCount, ...] = ()
    split_rule: SplitRule = SplitRule.TEXT
    schema_version: int = field(default=SCHEMA_VERSION)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot on disk.

    Attributes:
        is_new: False where the same rows had been written before and nothing was written now.
    """

    path: Path
    manifest: SnapshotManifest
    is_new: bool = False

    @property
    def id(self) -> str:
        """Prefix of the sha256 over everything that determines the rows."""
        return self.manifest.id
