"""`manifest.json`, both ways. Reading is strict: the file is labelloop's own."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar, cast

from ..domain.reasons import reason_counts_from_json, reason_counts_to_json
from ..domain.snapshot import SCHEMA_VERSION, ProjectRef, SnapshotManifest, SplitFractions

__all__ = ["manifest_from_json", "manifest_to_json", "snapshot_id"]

ID_DIGITS = 16
NOT_IN_ID = ("id", "parent", "created_at", "reasons")
NEW_KEYS = frozenset({"reasons"})
"""Keys that earlier manifests lack."""

_Value = TypeVar("_Value")


def manifest_to_json(manifest: SnapshotManifest) -> dict[str, Any]:
    """The manifest as a JSON object, keys in the order in which a reader asks for them."""
    values = asdict(manifest) | {
        "warnings": list(manifest.warnings),
        "reasons": reason_counts_to_json(manifest.reasons),
    }
    return {"schema_version": values.pop("schema_version"), **values}


def snapshot_id(manifest: SnapshotManifest) -> str:
    """Return a prefix of the sha256 over all that the manifest says of its rows, their files' sha256 included."""
    values = {key: value for key, value in manifest_to_json(manifest).items() if key not in NOT_IN_ID}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]


def manifest_from_json(value: object) -> SnapshotManifest:
    """The manifest that a JSON object describes.

    Raises:
        ValueError: another schema version, an unknown or missing key, a wrong type, or contents that do not give
            the id that they carry.
    """
    found = _checked(value, {field.name for field in fields(SnapshotManifest)}, "manifest", NEW_KEYS)
    if found["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"schema version {found['schema_version']!r} found; this labelloop reads {SCHEMA_VERSION}: "
            "use the version that wrote it, or export again"
        )
    project = _checked(found["project"], {"id", "slug"}, "project")
    split = _checked(found["split"], {"train", "validation", "test"}, "split")
    manifest = SnapshotManifest(
        id=_of(str, found, "id"),
        project=ProjectRef(_of(int, project, "id"), _of(str, project, "slug")),
        label_config=_of(str, found, "label_config"),
        label_config_fingerprint=_of(str, found, "label_config_fingerprint"),
        review_rule=_of(str, found, "review_rule"),
        split=SplitFractions(**{name: float(split[name]) for name in split}),
        seed=_of(int, found, "seed"),
        counts=_counts(found["counts"], "counts"),
        label_counts=_nested(found["label_counts"], "label_counts"),
        dropped=_counts(found["dropped"], "dropped"),
        files={name: _of(str, found["files"], name) for name in _of(dict, found, "files")},
        warnings=tuple(str(sentence) for sentence in _of(list, found, "warnings")),
        parent=None if found["parent"] is None else _of(str, found, "parent"),
        created_at=None if found["created_at"] is None else _of(str, found, "created_at"),
        reasons=reason_counts_from_json(found.get("reasons", [])),
    )
    if snapshot_id(manifest) != manifest.id:
        raise ValueError(f"its contents do not give its id {manifest.id}, so it was changed after it was written")
    return manifest


def _nested(value: object, key: str) -> dict[str, dict[str, dict[str, int]]]:
    return _each(value, key, lambda split, s: _each(split, s, _counts))


def _counts(value: object, key: str) -> dict[str, int]:
    return _each(value, key, lambda _, name: _of(int, cast("dict[str, Any]", value), name))


def _each(value: object, key: str, read: Callable[[object, str], _Value]) -> dict[str, _Value]:
    if not isinstance(value, dict):
        raise ValueError(f"{key}: {value!r} found; wanted an object")
    return {name: read(inner, name) for name, inner in value.items()}


def _checked(value: object, keys: set[str], name: str, may_lack: frozenset[str] = frozenset()) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not keys - may_lack <= set(value) <= keys:
        found = sorted(value) if isinstance(value, dict) else value
        raise ValueError(f"{name}: {found!r} found; wanted an object with exactly {', '.join(sorted(keys))}")
    return value


def _of(kind: type[_Value], values: Mapping[str, Any], key: str) -> _Value:
    value = values[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{key}: {value!r} found; wanted {kind.__name__}")
    return value
