"""The serving bundle: a folder with all that a version needs except the base model's weights.

    bundle.json          facts, temperature, score quantiles, sha256 of every other file
    head.safetensors     `weight` (K, D) and `bias` (K,) of the linear head, float32
    adapter/             LoRA adapter in peft's format; absent where the features are the frozen base model's
    trained_texts.txt    start of the sha256 of every normalised text that it was trained on, sorted, one a line

Neither torch nor transformers is needed to read one.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..domain.model import Method
from ..domain.snapshot import text_digest
from ..errors import BundleError
from .embed import Floats2d

__all__ = [
    "ADAPTER_FOLDER",
    "HEAD_NAME",
    "QUANTILES",
    "Bundle",
    "BundleFacts",
    "BundleManifest",
    "Head",
    "confidences",
    "read_bundle",
    "write_bundle",
]

SCHEMA_VERSION = 1
MANIFEST_NAME = "bundle.json"
HEAD_NAME = "head.safetensors"
ADAPTER_FOLDER = "adapter"
TEXTS_NAME = "trained_texts.txt"
DIGEST_LENGTH = 16  # hex digits; a collision among a million texts has a chance of 1 in 37 million
POOLING = "mean"
QUANTILES = 101


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a bundle says about where its rows came from, known before training.

    Attributes:
        control_name: name of the control that the model answers, and `to_name` of the object that it is about.
        field: key of the task's data that holds the text.
    """

    control_name: str
    to_name: str
    field: str
    label_config: str
    label_config_fingerprint: str
    snapshot_id: str


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What `bundle.json` says.

    Attributes:
        method: regression or lora.
        labels: classes in the order of the head's rows.
        temperature: the logits are divided by it before the softmax.
        score_quantiles: the 0th to 100th percentile of the version's confidence scores.
        created_at: ISO 8601.
        libraries: versions of the libraries it was made with.
        files: sha256 per file, by path relative to the bundle.
    """

    model_version: str
    method: Method
    base_model: str
    base_model_sha256: str
    facts: BundleFacts
    labels: tuple[str, ...]
    max_length_tokens: int
    temperature: float
    seed: int
    settings: Mapping[str, Any]
    score_quantiles: tuple[float, ...]
    created_at: str
    libraries: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    pooling: str = POOLING
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear head.

    Attributes:
        weight: shape (K, D).
        bias: shape (K,).
    """

    weight: Floats2d
    bias: npt.NDArray[np.float32]

    def logits(self, features: Floats2d) -> Floats2d:
        """Shape (N, K) from features of shape (N, D)."""
        return features @ self.weight.T + self.bias


def confidences(logits: Floats2d, temperature: float) -> npt.NDArray[np.float64]:
    """Softmax of logits (N, K) over a temperature: rows sum to 1."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle whose digests were checked.

    Attributes:
        adapter: folder of the LoRA adapter, None where there is none.
    """

    path: Path
    manifest: BundleManifest
    head: Head
    adapter: Path | None

    def was_trained_on(self, texts: Sequence[str]) -> list[bool]:
        """Per text whether the version has seen it in training, apart from case and white space."""
        known = set((self.path / TEXTS_NAME).read_text(encoding="ascii").split())
        return [text_digest(text)[:DIGEST_LENGTH] in known for text in texts]


def write_bundle(
    path: Path,
    manifest: BundleManifest,
    head: Head,
    *,
    trained_on: Iterable[str],
    adapter: Path | None = None,
) -> Bundle:
    """Write a bundle folder; it appears at `path` complete or not at all.

    Args:
        manifest: its `files` are filled in here.
        trained_on: texts of the rows that it was trained on.
        adapter: folder to copy the adapter's files from.

    Raises:
        BundleError: there is something at `path` already, or the parts do not fit each other.
    """
    from safetensors.numpy import save_file

    if path.exists():
        raise BundleError(f"{path} exists already; a model version is never overwritten, so choose another folder")
    _check_parts(path, manifest, head)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        tensors = {"weight": np.ascontiguousarray(head.weight), "bias": np.ascontiguousarray(head.bias)}
        save_file(tensors, draft / HEAD_NAME)
        digests = sorted({text_digest(text)[:DIGEST_LENGTH] for text in trained_on})
        (draft / TEXTS_NAME).write_text("".join(f"{digest}\n" for digest in digests), encoding="ascii")
        if adapter is not None:
            shutil.copytree(adapter, draft / ADAPTER_FOLDER)
        document = {**asdict(manifest), "files": _digests(draft)}
        (draft / MANIFEST_NAME).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        # mkdtemp makes folders that only this user can enter; a bundle is read by the server's user as well.
        draft.chmod(0o755)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return read_bundle(path)


def read_bundle(path: Path) -> Bundle:
    """A bundle from its folder.

    Raises:
        BundleError: it is missing, of another schema, incomplete, or a file has changed since it was written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    manifest = _read_manifest(path)
    _check_files(path, manifest)
    try:
        tensors = load_file(path / HEAD_NAME)
        head = Head(tensors["weight"], tensors["bias"])
    except (SafetensorError, KeyError) as error:
        raise BundleError(f"{path / HEAD_NAME} does not hold a head's weight and bias: {error}; train again") from error
    _check_parts(path, manifest, head)
    adapter = path / ADAPTER_FOLDER
    return Bundle(path, manifest, head, adapter if adapter.is_dir() else None)


def _read_manifest(path: Path) -> BundleManifest:
    file = path / MANIFEST_NAME
    if not file.is_file():
        raise BundleError(f"{path} holds no {MANIFEST_NAME}; give the folder of a trained version")
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        schema = document["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{file} is not readable as a bundle's facts ({error}); fetch or train it again") from error
    if schema != SCHEMA_VERSION:
        raise BundleError(
            f"{file} has schema version {schema}; this labelloop reads {SCHEMA_VERSION}. "
            "Use the labelloop that wrote it, or train again."
        )
    try:
        return BundleManifest(
            **{
                **document,
                "method": Method(document["method"]),
                "facts": BundleFacts(**document["facts"]),
                "labels": tuple(document["labels"]),
                "score_quantiles": tuple(document["score_quantiles"]),
            }
        )
    except (TypeError, ValueError, KeyError) as error:
        raise BundleError(f"{file} lacks a fact or holds an unknown one ({error}); fetch or train it again") from error


def _check_files(path: Path, manifest: BundleManifest) -> None:
    for name in (HEAD_NAME, TEXTS_NAME):
        if name not in manifest.files:
            raise BundleError(f"{path / MANIFEST_NAME} does not list {name}; fetch or train the version again")
    found = _digests(path)
    found.pop(MANIFEST_NAME, None)
    for name in sorted(set(found) | set(manifest.files)):
        if name not in found:
            raise BundleError(f"{path} lacks {name}, which {MANIFEST_NAME} lists; fetch or train the version again")
        if name not in manifest.files:
            raise BundleError(f"{path} holds {name}, which {MANIFEST_NAME} does not list; remove it or fetch again")
        if found[name] != manifest.files[name]:
            raise BundleError(
                f"{path / name} has sha256 {found[name]}; {MANIFEST_NAME} says {manifest.files[name]}. "
                "The file was changed or damaged: fetch or train the version again."
            )


def _check_parts(path: Path, manifest: BundleManifest, head: Head) -> None:
    classes = len(manifest.labels)
    if head.weight.ndim != 2 or head.weight.shape[0] != classes or head.bias.shape != (classes,):
        raise BundleError(
            f"{path}: the head has weight {head.weight.shape} and bias {head.bias.shape}; "
            f"wanted {classes} rows for {classes} labels"
        )
    if not (np.isfinite(head.weight).all() and np.isfinite(head.bias).all()):
        raise BundleError(f"{path}: the head holds values that are not finite; train again")
    if len(manifest.score_quantiles) != QUANTILES or not manifest.temperature > 0:
        raise BundleError(
            f"{path}: {len(manifest.score_quantiles)} score quantiles and temperature {manifest.temperature} found; "
            f"wanted {QUANTILES} quantiles and a temperature above 0"
        )


def _digests(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
