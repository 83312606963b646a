"""Texts that were seen and the split of each, without the texts."""

import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    Select,
    Table,
    delete,
    exists,
    insert,
    select,
    update,
)

from ...batches import in_batches
from ...domain.placement import PlacedText, TextSketch
from ...domain.snapshot import Split, SplitFractions
from .base import Repository, String, StudioId, metadata
from .blind_answers import blind_answers
from .events import events
from .projects import projects

__all__ = ["SplitRepository"]

DIGEST_BYTES = 16
"""The kept part of a digest: enough that no two of a project's texts have the same."""

MOST_REMEMBERED = 20_000
VALUES_AT_ONCE = 5000
"""A statement may have 32,766 values with SQLite."""

placed_texts = Table(
    "placed_texts",
    metadata,
    Column("id", StudioId, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("split", String(16), nullable=False),
    Index("uq_placed_texts_digest", "project_id", "digest", unique=True),
)

placed_text_keys = Table(
    "placed_text_keys",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("text_id", StudioId, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# How many texts a split holds, because counting them takes longer than placing one.
split_counts = Table(
    "split_counts",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("split", String(16), primary_key=True),
    Column("texts", Integer, nullable=False),
    Column("not_by_hash", Integer, nullable=False),
)

PlacingRule = Callable[[Sequence[TextSketch], Sequence[PlacedText], Mapping[Split, int]], Sequence[PlacedText]]
"""Returns new texts in their splits, given the texts that have a key in common with one of them, and how many texts
each split holds that did not come there by their hash."""


class SplitRepository(Repository):
    """Stores the split of a text once. It stays, so this process remembers those that it came across last.

    Only before the first label may a project be split anew, which counts as connecting it anew: what is remembered
    holds for one time of connecting.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        super().__init__(engine, clock)
        self._lock = threading.Lock()
        self._remembered: dict[tuple[int, datetime | None, str], Split] = {}

    def find(
        self, project_id: int, digests: Collection[str], *, connected_at: datetime | None = None
    ) -> dict[str, Split]:
        """Return the splits of those texts that have one, by digest."""
        with self._lock:
            remembered = {digest: self._remembered.get((project_id, connected_at, digest)) for digest in digests}
        known = {digest: split for digest, split in remembered.items() if split is not None}
        if len(known) < len(remembered):
            with self._engine.connect() as connection:
                found = _find(connection, project_id, remembered.keys() - known.keys())
            self._remember(project_id, connected_at, found)
            known |= found
        return known

    def place(
        self,
        project_id: int,
        sketches: Sequence[TextSketch],
        rule: PlacingRule,
        *,
        connected_at: datetime | None = None,
    ) -> dict[str, Split]:
        """Return the splits of these texts by digest; those that have none get one by the rule, in their order.

        Processes that place texts of one project take turns, so a text gets one split and sees all that were placed
        before it. The transaction keeps other writers of a SQLite file waiting: give it some tens of texts.

        Args:
            sketches: of different texts.
        """
        with self._engine.begin() as connection:
            # Changes nothing, and makes whoever does the same wait until this transaction ends.
            own_row = projects.c.id == project_id
            connection.execute(update(projects).where(own_row).values(split_rule=projects.c.split_rule))
            known = _find(connection, project_id, [sketch.digest for sketch in sketches])
            new = [sketch for sketch in sketches if sketch.digest not in known]
            if new:
                keys = {key for sketch in new for key in sketch.keys}
                columns = split_counts.c
                similar = select(columns.split, columns.not_by_hash).where(columns.project_id == project_id)
                placed = rule(new, _with_keys(connection, project_id, keys), _counts(connection, similar))
                self._add(connection, project_id, placed)
                known |= {text.digest: text.split for text in placed}
        self._remember(project_id, connected_at, known)
        return known

    def begin_anew(self, project_id: int, split: SplitFractions, fields: Sequence[str]) -> bool:
        """Give a project another split and other fields, and forget what was decided and measured by the former ones.

        Return False, and change nothing, where a label has been seen.
        """
        is_unlabeled = ~exists(select(events.c.id).where(events.c.project_id == project_id))
        statement = update(projects).where(projects.c.id == project_id, is_unlabeled)
        values = {"split": str(split), "fields": json.dumps(list(fields)), "connected_at": self._now()}
        with self._engine.begin() as connection:
            if not connection.execute(statement.values(values)).rowcount:
                return False
            for table in (placed_texts, placed_text_keys, split_counts, blind_answers):
                connection.execute(delete(table).where(table.c.project_id == project_id))
        with self._lock:
            self._remembered = {key: split for key, split in self._remembered.items() if key[0] != project_id}
        return True

    def counts(self, project_id: int) -> dict[Split, int]:
        """Return how many texts each split holds; splits without a text are left out."""
        columns = split_counts.c
        with self._engine.connect() as connection:
            return _counts(connection, select(columns.split, columns.texts).where(columns.project_id == project_id))

    def _remember(self, project_id: int, connected_at: datetime | None, splits: Mapping[str, Split]) -> None:
        with self._lock:
            self._remembered |= {(project_id, connected_at, digest): split for digest, split in splits.items()}
            for oldest in list(islice(self._remembered, max(0, len(self._remembered) - MOST_REMEMBERED))):
                del self._remembered[oldest]

    def _add(self, connection: Connection, project_id: int, texts: Sequence[PlacedText]) -> None:
        own = {"project_id": project_id}
        rows = [
            own | {"digest": _kept(text.digest), "signature": text.signature, "split": text.split.value}
            for text in texts
        ]
        statement = insert(placed_texts).returning(placed_texts.c.id, sort_by_parameter_order=True)
        ids = connection.execute(statement, rows).scalars().all()
        keys = [own | {"key": key, "text_id": id_} for id_, text in zip(ids, texts, strict=True) for key in text.keys]
        if keys:
            connection.execute(insert(placed_text_keys), keys)
        for split in {text.split for text in texts}:
            there = [text for text in texts if text.split is split]
            more = {"texts": len(there), "not_by_hash": sum(not text.is_by_hash for text in there)}
            added = self._insert(split_counts).values(own | {"split": split.value} | more)
            total = {name: split_counts.c[name] + added.excluded[name] for name in more}
            connection.execute(added.on_conflict_do_update(index_elements=["project_id", "split"], set_=total))


def _find(connection: Connection, project_id: int, digests: Collection[str]) -> dict[str, Split]:
    columns = placed_texts.c
    statement = select(columns.digest, columns.split).where(columns.project_id == project_id)
    found: dict[str, Split] = {}
    for batch in in_batches(digests, VALUES_AT_ONCE):
        kept = {_kept(digest): digest for digest in batch}
        for digest, split in connection.execute(statement.where(columns.digest.in_(kept))):
            found[kept[bytes(digest)]] = Split(split)
    return found


def _with_keys(connection: Connection, project_id: int, keys: Collection[int]) -> list[PlacedText]:
    """Return the texts that have one of these keys, in the order in which they were placed, with these keys alone."""
    columns = placed_text_keys.c
    by_text: dict[int, list[int]] = {}
    pairs = select(columns.text_id, columns.key).where(columns.project_id == project_id)
    for batch in in_batches(keys, VALUES_AT_ONCE):
        for text_id, key in connection.execute(pairs.where(columns.key.in_(batch))):
            by_text.setdefault(text_id, []).append(key)
    return [
        PlacedText(bytes(row.digest).hex(), bytes(row.signature), tuple(by_text[row.id]), Split(row.split))
        for ids in in_batches(sorted(by_text), VALUES_AT_ONCE)
        for row in connection.execute(
            select(placed_texts).where(placed_texts.c.id.in_(ids)).order_by(placed_texts.c.id)
        )
    ]


def _counts(connection: Connection, statement: Select[Any]) -> dict[Split, int]:
    return {Split(split): count for split, count in connection.execute(statement)}


def _kept(digest: str) -> bytes:
    return bytes.fromhex(digest)[:DIGEST_BYTES]
