"""The difference between two snapshots of a project, row by row."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ...domain.example import Row
from ...domain.project import Project
from ...domain.readable import readable
from ...domain.snapshot import Snapshot, Split
from ...errors import SnapshotError
from ...exporters.limits import encodable
from ...labelstudio.plans import plan_of
from ...snapshots.store import SnapshotFolder
from ...tasks import ServingPlan
from ..exporting.snapshots import stored_snapshot
from ..services import Services

__all__ = ["DIFFERENCES", "snapshot_difference"]

DIFFERENCES = ("relabeled", "added", "removed", "reworded", "moved")
"""What may have happened to a row. One that was both relabeled and moved, say, counts as the first of them."""
LARGEST_BYTES = 64 * 2**20
"""Both snapshots together: reading so much takes about a second, and a page does not wait longer."""

_Place = tuple[Split, int]
"""Split and line of a row."""


class _Entry(NamedTuple):
    kind: str
    before: _Place | None
    after: _Place | None


def snapshot_difference(
    services: Services, project: Project, old: str, new: str, *, kind: str = "", start: int, count: int
) -> dict[str, Any]:
    """Return how a snapshot differs from an earlier one.

    Args:
        old, new: ids of the snapshots.
        kind: rows of this kind of difference alone; empty: all.

    Returns:
        An object with `counts` (rows per kind of difference, and `same`), `labels` (objects with `control`, `label`,
        `before` and `after`, where these differ), `found` (rows of the kind), and `rows`: objects with `kind`,
        `task_id`, `text`, `split`, `split_before`, `controls` (objects with `control`, `before` and `after`: the
        answers in words) and `text_before` where the text differs.

    Raises:
        SnapshotNotFound: the files of one are not on this machine.
        SnapshotError: one is damaged, or they are too large to be compared while somebody waits.
    """
    before, after = (stored_snapshot(services, project, each) for each in (old, new))
    entries, same = _entries(before.path, after.path)
    chosen = [entry for entry in entries if kind in ("", entry.kind)]
    counted = Counter(entry.kind for entry in entries)
    return {
        "counts": {**{name: counted[name] for name in DIFFERENCES}, "same": same},
        "labels": list(_label_changes(before, after)),
        "found": len(chosen),
        "rows": list(_shown(chosen[start : start + count], before, after)),
    }


@lru_cache(maxsize=8)
def _entries(before: Path, after: Path) -> tuple[list[_Entry], int]:
    """Return the rows that differ, by kind and then in the order of the files, and how many are the same.

    Snapshots never change, so what was found once is kept.
    """
    size = sum(file.stat().st_size for folder in (before, after) for file in _files(folder))
    if size > LARGEST_BYTES:
        raise SnapshotError(
            f"both snapshots hold {size / 2**20:,.0f} MB of rows; the page compares up to {LARGEST_BYTES >> 20} MB. "
            "Compare the JSONL files in their folders with a program of your choice: rows have the same id in both"
        )
    old = {row_id: (place, targets, texts) for row_id, place, targets, texts in _digests(before)}
    found: list[_Entry] = []
    same = 0
    for row_id, place, targets, texts in _digests(after):
        earlier = old.pop(row_id, None)
        if earlier is None:
            found.append(_Entry("added", None, place))
            continue
        place_before, targets_before, texts_before = earlier
        if targets != targets_before:
            found.append(_Entry("relabeled", place_before, place))
        elif texts != texts_before:
            found.append(_Entry("reworded", place_before, place))
        elif place[0] != place_before[0]:
            found.append(_Entry("moved", place_before, place))
        else:
            same += 1
    found += (_Entry("removed", place, None) for place, *_ in old.values())
    return sorted(found, key=lambda entry: DIFFERENCES.index(entry.kind)), same


def _files(folder: Path) -> Iterator[Path]:
    return (file for split in Split if (file := folder / f"{split.value}.jsonl").is_file())


def _digests(folder: Path) -> Iterator[tuple[str, _Place, int, int]]:
    """Yield id, place, and what tells answers and texts apart, of each row."""
    for split in Split:
        for number, line in SnapshotFolder(folder).lines(split):
            row = json.loads(line)
            yield row["id"], (split, number), hash(json.dumps(row["targets"])), hash(json.dumps(row["input"]))


def _label_changes(before: Snapshot, after: Snapshot) -> Iterator[Mapping[str, Any]]:
    then, now = (_totals(snapshot.manifest.label_counts.values()) for snapshot in (before, after))
    keys = sorted(then.keys() | now.keys(), key=lambda key: (-abs(now[key] - then[key]), key))
    for control, label in keys:
        pair = {"before": then[control, label], "after": now[control, label]}
        if pair["before"] != pair["after"]:
            yield {"control": control, "label": label, **pair}


def _totals(counts: Iterable[Mapping[str, Mapping[str, int]]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for by_control in counts:
        for control, by_label in by_control.items():
            for label, count in by_label.items():
                found[control, label] += count
    return found


def _shown(entries: list[_Entry], before: Snapshot, after: Snapshot) -> Iterator[dict[str, Any]]:
    plan = plan_of(after.manifest)
    then = _rows(before, [entry.before for entry in entries if entry.before])
    now = _rows(after, [entry.after for entry in entries if entry.after])
    for entry in entries:
        old = then[entry.before] if entry.before else None
        new = now[entry.after] if entry.after else None
        row = new or old
        if row is None:
            continue  # never: an entry is about a row of at least one of the two
        controls = dict.fromkeys(name for each in (old, new) if each for name in each.targets)
        shown: dict[str, Any] = {
            "kind": entry.kind,
            "task_id": row.task_id,
            "text": _texts(row),
            "split": (entry.after or entry.before or ("",))[0],
            "split_before": (entry.before or entry.after or ("",))[0],
            "controls": [
                {"control": name, "before": _answer(old, name, plan), "after": _answer(new, name, plan)}
                for name in controls
            ],
        }
        if old is not None and new is not None and old.input != new.input:
            shown["text_before"] = _texts(old)
        yield shown


def _rows(snapshot: Snapshot, places: Iterable[_Place]) -> dict[_Place, Row]:
    wanted: dict[Split, set[int]] = {}
    for split, number in places:
        wanted.setdefault(split, set()).add(number)
    folder, found = SnapshotFolder(snapshot.path), {}
    for split, numbers in wanted.items():
        left = len(numbers)
        for number, line in folder.lines(split):
            if number in numbers:
                found[split, number] = folder.row_from_line(line)
                left -= 1
                if not left:
                    break
    return found


def _texts(row: Row) -> dict[str, str]:
    """Return the texts by field as a page can hold them."""
    return {field: encodable(text) for field, text in row.input.items()}


def _answer(row: Row | None, control: str, plan: ServingPlan) -> str | None:
    """Return an answer in words; None where there is none."""
    if row is None or control not in row.targets:
        return None
    return encodable(readable(row.targets[control], plan.about(control, row.text)))
