"""The serving bundle: a folder with all that a version needs except the base model's weights.

    bundle.json                       facts, one entry per control, sha256 of every other file; see `manifest`
    controls/<n>/head.safetensors     of the n-th entry; see `head`
    controls/<n>/adapter/             LoRA adapter in peft's format; absent where the weights are the base model's
    controls/<n>/weights.safetensors  the whole model's weights; only where all of them were trained
    controls/<n>/graph/               the tuned layers in a form that needs no torch, see `graphs.graph`; absent where
                                      the weights are the base model's, and where they cannot be exported
    controls/<n>/known_texts.safetensors  vectors of texts with labels, see `known_texts`; absent where they tell
                                      nothing, and in versions from before they were kept
    trained_texts.txt                 start of the sha256 of every normalised text it was trained on, sorted, one a line

Neither torch nor transformers is needed to read one.
"""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...atomic_files import take_place, unfinished_folder
from ...domain.snapshot import text_digest
from ...errors import BundleError
from ..base.adapters import ADAPTER_FOLDER
from .head import Head
from .known_texts import KnownTexts
from .manifest import SCHEMA_VERSION, BundleManifest, PartFacts

__all__ = ["MANIFEST_NAME", "Bundle", "TrainedPart", "read_bundle", "read_manifest", "write_bundle"]

MANIFEST_NAME = "bundle.json"
PARTS_FOLDER = "controls"
TEXTS_NAME = "trained_texts.txt"
DIGEST_LENGTH = 16  # hex digits; a collision among a million texts has a chance of 1 in 37 million


@dataclass(frozen=True, slots=True)
class TrainedPart:
    """A part that is not in a bundle yet.

    Attributes:
        folder: its files, named as in a bundle.
    """

    facts: PartFacts
    folder: Path

    @property
    def is_tuned(self) -> bool:
        """True where something in the base model was trained."""
        return (self.folder / ADAPTER_FOLDER).is_dir() or (self.folder / Bundle.WEIGHTS_NAME).is_file()


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle whose digests were checked."""

    WEIGHTS_NAME: ClassVar[str] = "weights.safetensors"

    path: Path
    manifest: BundleManifest

    def part_folder(self, position: int) -> Path:
        """Folder of the files of a part."""
        return self.path / PARTS_FOLDER / str(position)

    def check_base(self, weights_sha256: str) -> None:
        """Raise a BundleError where the bundle was trained on other base weights than these."""
        manifest = self.manifest
        if weights_sha256 != manifest.base_model_sha256:
            raise BundleError(
                f"{manifest.model_version} was trained on {manifest.base_model} with weights "
                f"{manifest.base_model_sha256[:12]}; found {weights_sha256[:12]}. "
                "Restore the former weights, or train a new version on these."
            )

    def head(self, position: int) -> Head:
        """The linear head of a part.

        Raises:
            BundleError: there is none that can be read.
        """
        return Head.read(self.part_folder(position))

    def known_texts(self, position: int) -> KnownTexts | None:
        """The vectors of texts that a part knows; None where it keeps none, as earlier versions do.

        Raises:
            BundleError: it cannot be read.
        """
        return KnownTexts.read(self.part_folder(position))

    def adapter(self, position: int) -> Path | None:
        """Folder of the LoRA adapter of a part, None where it has none."""
        folder = self.part_folder(position) / ADAPTER_FOLDER
        return folder if folder.is_dir() else None

    def weights(self, position: int) -> Path | None:
        """File with the whole model's weights of a part, None where it has none."""
        file = self.part_folder(position) / Bundle.WEIGHTS_NAME
        return file if file.is_file() else None

    def was_trained_on(self, texts: Sequence[str]) -> list[bool]:
        """Per text whether the version has seen it in training, apart from case and white space."""
        digests = set((self.path / TEXTS_NAME).read_text(encoding="ascii", errors="replace").split())
        return [text_digest(text)[:DIGEST_LENGTH] in digests for text in texts]


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
        full = manifest.copy_with(parts=tuple(part.facts for part in parts), files=_digests(draft))
        _check_parts(path, full)
        full.write(draft / MANIFEST_NAME)
        if not take_place(draft, path):
            raise overwrites
    return read_bundle(path)


def read_bundle(path: Path) -> Bundle:
    """A bundle from its folder.

    Raises:
        BundleError: it is missing, of another schema, incomplete, or a file has changed since it was written.
    """
    # Files first: a part is not worth checking where somebody changed what it is made of.
    manifest = read_manifest(path)
    _check_files(path, manifest)
    _check_parts(path, manifest)
    return Bundle(path, manifest)


def read_manifest(path: Path) -> BundleManifest:
    """Return the facts of a bundle, though its other files are not checked.

    Raises:
        BundleError: there are none, or they are of another schema.
    """
    file = path / MANIFEST_NAME
    if not file.is_file():
        raise BundleError(f"{path} holds no {MANIFEST_NAME}; give the folder of a trained version")
    content = file.read_bytes()
    try:
        schema = BundleManifest.schema_of(content)
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{file} is not readable as a bundle's facts ({error}); fetch or train it again") from error
    if schema != SCHEMA_VERSION:
        raise BundleError(
            f"{file} has schema version {schema}; this labelloop reads {SCHEMA_VERSION}. "
            "Use the labelloop that wrote it, or train again."
        )
    try:
        return BundleManifest.parse(content)
    except ValueError as error:
        raise BundleError(
            f"{file} lacks a fact, holds an unknown one or a wrong one ({error}); fetch or train it again"
        ) from error


def _check_files(path: Path, manifest: BundleManifest) -> None:
    """Compare what lies in the folder with what the manifest lists."""
    if TEXTS_NAME not in manifest.files:
        raise BundleError(f"{path / MANIFEST_NAME} does not list {TEXTS_NAME}; fetch or train the version again")
    present = _digests(path)
    present.pop(MANIFEST_NAME, None)
    for name in sorted(set(present) | set(manifest.files)):
        if name not in present:
            raise BundleError(f"{path} lacks {name}, which {MANIFEST_NAME} lists; fetch or train the version again")
        if name not in manifest.files:
            raise BundleError(f"{path} holds {name}, which {MANIFEST_NAME} does not list; remove it or fetch again")
        if present[name] != manifest.files[name]:
            raise BundleError(
                f"{path / name} has sha256 {present[name]}; {MANIFEST_NAME} says {manifest.files[name]}. "
                "The file was changed or damaged: fetch or train the version again."
            )


def _check_parts(path: Path, manifest: BundleManifest) -> None:
    """Check what holds for the parts together; each of them was checked when it was parsed."""
    if not manifest.parts:
        raise BundleError(f"{path}: the version answers no control; train again")
    if len({part.control for part in manifest.parts}) < len(manifest.parts):
        raise BundleError(f"{path}: the version answers a control twice; train again")
    for position, part in enumerate(manifest.parts):
        folder = f"{PARTS_FOLDER}/{position}/"
        if not any(name.startswith(folder) for name in manifest.files):
            raise BundleError(f"{path}: there are no files for the control {part.control!r} in {folder}; train again")


def _digests(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): _sha256(file) for file in sorted(folder.rglob("*")) if file.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
