"""The serving bundle: a folder with all that a version needs except the base model's weights.

    bundle.json                       facts, one entry per control, sha256 of every other file
    controls/<n>/head.safetensors     of the n-th entry: `weight` (K, D) and `bias` (K,) of the linear head, float32
    controls/<n>/adapter/             LoRA adapter in peft's format; absent where the weights are the base model's
    controls/<n>/weights.safetensors  the whole model's weights; only where all of them were trained
    controls/<n>/graph/               the tuned layers in a form that needs no torch, see `encoders.graph`; absent where
                                      the weights are the base model's, and where they cannot be exported
    trained_texts.txt                 start of the sha256 of every normalised text it was trained on, sorted, one a line

Neither torch nor transformers is needed to read one.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...atomic_files import take_place, unfinished_folder
from ...domain.model import HeadKind, Method
from ...domain.snapshot import text_digest
from ...errors import BundleError
from ..base.stored_facts import EXACT, facts_of, parsed_json
from ..decoders import decoder_of
from ..text.tokenised import Floats2d

__all__ = [
    "ADAPTER_FOLDER",
    "HEAD_NAME",
    "QUANTILES",
    "WEIGHTS_NAME",
    "Bundle",
    "BundleFacts",
    "BundleManifest",
    "Head",
    "PartFacts",
    "TrainedPart",
    "read_bundle",
    "read_head",
    "write_bundle",
    "write_head",
]

SCHEMA_VERSION = 2
MANIFEST_NAME = "bundle.json"
PARTS_FOLDER = "controls"
HEAD_NAME = "head.safetensors"
ADAPTER_FOLDER = "adapter"
WEIGHTS_NAME = "weights.safetensors"
TEXTS_NAME = "trained_texts.txt"
DIGEST_LENGTH = 16  # hex digits; a collision among a million texts has a chance of 1 in 37 million
QUANTILES = 101
LONGEST_SEQUENCE = 10_000_000
LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a bundle says about where its rows came from, known before training.

    Attributes:
        field: key of the task's data that holds the text.
    """

    __pydantic_config__ = EXACT

    field: str
    label_config: str
    label_config_fingerprint: str
    snapshot_id: str


@dataclass(frozen=True, slots=True)
class WriterFacts:
    """The readout of a part that writes texts.

    Attributes:
        base_model: the base model that was tuned.
        max_new_tokens: the greatest number of tokens in a response.
    """

    __pydantic_config__ = EXACT

    base_model: str
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What a bundle says about one control.

    Attributes:
        control: its name in the label config.
        head: what is computed for it.
        method: how the part was made, never auto.
        readout: what turns the head's numbers into answers, see `encoders.readouts`; its form depends on the head.
        score_quantiles: the 0th to 100th percentile of the confidence in its answers.
        settings: that it was trained with.
    """

    __pydantic_config__ = EXACT

    control: str
    head: HeadKind
    method: Method
    readout: Mapping[str, Any]
    max_length_tokens: int
    score_quantiles: tuple[float, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What `bundle.json` says.

    Attributes:
        parts: one per control that the version answers, in the order of the label config.
        created_at: ISO 8601.
        libraries: versions of the libraries it was made with.
        files: sha256 per file, by path relative to the bundle.
    """

    __pydantic_config__ = EXACT

    model_version: str
    base_model: str
    base_model_sha256: str
    facts: BundleFacts
    parts: tuple[PartFacts, ...]
    seed: int
    created_at: str
    libraries: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def method(self) -> Method:
        """How all parts were made; auto where some were made otherwise than others."""
        methods = {part.method for part in self.parts}
        return methods.pop() if len(methods) == 1 else Method.AUTO


@dataclass(frozen=True, slots=True)
class TrainedPart:
    """A part that is not in a bundle yet.

    Attributes:
        folder: of its files, named as in a bundle.
    """

    facts: PartFacts
    folder: Path

    @property
    def is_tuned(self) -> bool:
        """True where something in the base model was trained."""
        return (self.folder / ADAPTER_FOLDER).is_dir() or (self.folder / WEIGHTS_NAME).is_file()


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


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle whose digests were checked."""

    path: Path
    manifest: BundleManifest

    def part_folder(self, position: int) -> Path:
        """Folder of the files of a part."""
        return self.path / PARTS_FOLDER / str(position)

    def head(self, position: int) -> Head:
        """The linear head of a part.

        Raises:
            BundleError: there is none that can be read.
        """
        return read_head(self.part_folder(position))

    def adapter(self, position: int) -> Path | None:
        """Folder of the LoRA adapter of a part, None where it has none."""
        folder = self.part_folder(position) / ADAPTER_FOLDER
        return folder if folder.is_dir() else None

    def weights(self, position: int) -> Path | None:
        """File with the whole model's weights of a part, None where it has none."""
        file = self.part_folder(position) / WEIGHTS_NAME
        return file if file.is_file() else None

    def was_trained_on(self, texts: Sequence[str]) -> list[bool]:
        """Per text whether the version has seen it in training, apart from case and white space."""
        known = set((self.path / TEXTS_NAME).read_text(encoding="ascii", errors="replace").split())
        return [text_digest(text)[:DIGEST_LENGTH] in known for text in texts]


def write_head(folder: Path, head: Head) -> None:
    """Write a linear head into a part's folder."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"weight": np.ascontiguousarray(head.weight), "bias": np.ascontiguousarray(head.bias)}
    save_file(tensors, folder / HEAD_NAME)


def read_head(folder: Path) -> Head:
    """The linear head in a part's folder.

    Raises:
        BundleError: there is none that can be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    file = folder / HEAD_NAME
    try:
        tensors = load_file(file)
        head = Head(tensors["weight"], tensors["bias"])
    except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
        raise BundleError(f"{file} does not hold a head's weight and bias: {error}; train again") from error
    _check_head(file, head)
    return head


def write_bundle(
    path: Path, manifest: BundleManifest, parts: Sequence[TrainedPart], *, trained_on: Iterable[str]
) -> Bundle:
    """Write a bundle folder; it appears at `path` complete or not at all.

    Args:
        manifest: its `parts` and `files` are filled in here.
        trained_on: texts of the rows that it was trained on.

    Raises:
        BundleError: there is something at `path` already, or a part is not as it should be.
    """
    overwrites = BundleError(f"{path} exists already; a model version is never overwritten, so choose another folder")
    if path.exists():
        raise overwrites
    with unfinished_folder(path.parent) as draft:
        for position, part in enumerate(parts):
            shutil.copytree(part.folder, draft / PARTS_FOLDER / str(position))
        digests = sorted({text_digest(text)[:DIGEST_LENGTH] for text in trained_on})
        (draft / TEXTS_NAME).write_text("".join(f"{digest}\n" for digest in digests), encoding="ascii")
        full = replace(manifest, parts=tuple(part.facts for part in parts), files=_digests(draft))
        _check_parts(path, full)
        document = json.dumps(asdict(full), indent=2, ensure_ascii=False) + "\n"
        (draft / MANIFEST_NAME).write_text(document, encoding="utf-8")
        if not take_place(draft, path):
            raise overwrites
    return read_bundle(path)


def read_bundle(path: Path) -> Bundle:
    """A bundle from its folder.

    Raises:
        BundleError: it is missing, of another schema, incomplete, or a file has changed since it was written.
    """
    manifest = _read_manifest(path)
    _check_files(path, manifest)
    _check_parts(path, manifest)
    return Bundle(path, manifest)


def _read_manifest(path: Path) -> BundleManifest:
    file = path / MANIFEST_NAME
    if not file.is_file():
        raise BundleError(f"{path} holds no {MANIFEST_NAME}; give the folder of a trained version")
    try:
        document = parsed_json(file.read_bytes())
        schema = document["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{file} is not readable as a bundle's facts ({error}); fetch or train it again") from error
    if schema != SCHEMA_VERSION:
        raise BundleError(
            f"{file} has schema version {schema}; this labelloop reads {SCHEMA_VERSION}. "
            "Use the labelloop that wrote it, or train again."
        )
    try:
        return facts_of(BundleManifest, document)
    except ValueError as error:
        raise BundleError(
            f"{file} lacks a fact, holds an unknown one or a wrong one ({error}); fetch or train it again"
        ) from error


def _check_files(path: Path, manifest: BundleManifest) -> None:
    if TEXTS_NAME not in manifest.files:
        raise BundleError(f"{path / MANIFEST_NAME} does not list {TEXTS_NAME}; fetch or train the version again")
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


def _check_parts(path: Path, manifest: BundleManifest) -> None:
    if not manifest.parts:
        raise BundleError(f"{path}: the version answers no control; train again")
    if len({part.control for part in manifest.parts}) < len(manifest.parts):
        raise BundleError(f"{path}: the version answers a control twice; train again")
    for position, part in enumerate(manifest.parts):
        folder = f"{PARTS_FOLDER}/{position}/"
        if not any(name.startswith(folder) for name in manifest.files):
            raise BundleError(f"{path}: there are no files for the control {part.control!r} in {folder}; train again")
        try:
            _check_part(part)
        except ValueError as error:
            raise BundleError(f"{path}: the part of {part.control!r} is wrong: {error}; train again") from error


def _check_part(part: PartFacts) -> None:
    if len(part.score_quantiles) != QUANTILES or not all(0 <= score <= 1 for score in part.score_quantiles):
        raise ValueError(f"{len(part.score_quantiles)} score quantiles found; wanted {QUANTILES}, all from 0 to 1")
    lengths = [part.max_length_tokens]
    if part.head is HeadKind.TEXT:
        lengths.append(facts_of(WriterFacts, part.readout).max_new_tokens)
    else:
        decoder_of(part.head).from_json(part.readout)
    if not all(0 < tokens <= LONGEST_SEQUENCE for tokens in lengths):
        raise ValueError(f"lengths of {lengths} tokens found; wanted 1 to {LONGEST_SEQUENCE}")


def _check_head(file: Path, head: Head) -> None:
    if head.weight.ndim != 2 or head.bias.shape != head.weight.shape[:1]:
        raise BundleError(
            f"{file}: the head has weight {head.weight.shape} and bias {head.bias.shape}; wanted as many rows in both"
        )
    if {head.weight.dtype, head.bias.dtype} != {np.dtype(np.float32)}:
        raise BundleError(f"{file}: the head is of {head.weight.dtype} and {head.bias.dtype}; wanted float32")
    # Written so that NaN fails, since no comparison with NaN is true.
    if not all((np.abs(values) < LARGEST).all() for values in (head.weight, head.bias)):
        raise BundleError(f"{file}: the head holds values that are not finite, or absurd; train again")


def _digests(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): _sha256(file) for file in sorted(folder.rglob("*")) if file.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
