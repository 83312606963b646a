"""Files that all versions over a base model share when they are computed without torch, one folder per base model.

    <start of the base weights' sha256>/
        facts.json           see `SharedFacts`
        tokenizer.json
        word_vectors.npy     shape (V, D), float32; mapped into memory, so that processes share it as well
        graph/               the layers of the base model as they are, see `graphs.graph`; in no 8 bits, which would
                             need texts to measure on

Made once: by a process that has torch loaded already, or else by a child process, whose memory goes with it.
"""

import logging
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Floats2d
from ...atomic_files import take_place, unfinished_folder
from ...errors import EncoderError, GraphError
from ..base.base_model import weights_sha256
from ..base.stored_facts import StoredFacts
from ..base.tokeniser import FastTokeniser
from .graph import Graph

if TYPE_CHECKING:
    from ..text.torch_encoder import TextEncoder

__all__ = ["GraphStore", "SharedBase"]

log = logging.getLogger(__name__)

FACTS_NAME, TOKENIZER_NAME, WORDS_NAME = "facts.json", "tokenizer.json", "word_vectors.npy"
TRIAL_TEXTS = (
    "Where is the card that I ordered?",
    "No",
    "I was charged twice for the same order last week, and nobody has answered my two letters about it yet.",
)


class SharedFacts(StoredFacts):
    """The facts in `facts.json`.

    Attributes:
        max_length_tokens: most tokens the model can read; None where there is no such limit.
        refusal: why there is nothing but this file: the model can be computed by torch alone. "" where it can.
    """

    base_model: str
    base_model_sha256: str
    hidden_size: int
    max_length_tokens: int | None
    pad_id: int
    refusal: str = ""


@dataclass(frozen=True)
class SharedBase:
    """A base model's shared files."""

    folder: Path
    facts: SharedFacts

    @property
    def graph(self) -> Graph:
        """The layers of the base model as they are.

        Raises:
            GraphError: it cannot be read.
        """
        return Graph.read(self.folder / Graph.FOLDER)

    @cached_property
    def words(self) -> Floats2d:
        """The word vectors, mapped from their file."""
        vectors: Floats2d = np.load(self.folder / WORDS_NAME, mmap_mode="r")
        return vectors

    @cached_property
    def tokeniser(self) -> FastTokeniser:
        """The tokenizer, safe to use from several threads."""
        return FastTokeniser.read(self.folder / TOKENIZER_NAME, self.facts.pad_id)


class GraphStore:
    """The shared files of base models.

    Args:
        folder: holds one folder for each; it is made when the first one is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, SharedBase] = {}

    @property
    def measured(self) -> Path:
        """File that remembers which runtime was the fastest."""
        return self.folder / "runtimes.json"

    def base(self, base_model: str) -> SharedBase:
        """A base model's shared files, made by a child process where they are not there yet.

        Raises:
            EncoderError: the base model cannot be found.
            GraphError: it can be computed by torch alone.
        """
        digest = weights_sha256(base_model)
        if digest not in self._found:
            folder = self._folder_of(digest)
            if not (folder / FACTS_NAME).is_file():
                self._make_in_child(base_model)
            self._found[digest] = _read(folder)
        return _usable(self._found[digest])

    def share(self, encoder: "TextEncoder") -> SharedBase:
        """The same of a base model that torch has loaded, as it was trained by its makers.

        Raises:
            GraphError: it can be computed by torch alone.
        """
        folder = self._folder_of(encoder.backbone.weights_sha256)
        if not (folder / FACTS_NAME).is_file():
            with unfinished_folder(self.folder) as draft:
                _make(encoder, draft)
                take_place(draft, folder)  # or not: whoever else made it meanwhile made the same
        return _usable(_read(folder))

    def _folder_of(self, digest: str) -> Path:
        return self.folder / digest[:16]

    def _make_in_child(self, base_model: str) -> None:
        log.info("preparing %s to be computed without torch, which is done once", base_model)
        command = [sys.executable, "-m", "ml_backend.models.graphs.store", base_model, str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own module)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise EncoderError(f"{base_model} cannot be prepared to be computed without torch: {last[0]}")


def _usable(shared: SharedBase) -> SharedBase:
    if shared.facts.refusal:
        raise GraphError(shared.facts.refusal)
    return shared


def _read(folder: Path) -> SharedBase:
    try:
        facts = SharedFacts.parse((folder / FACTS_NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise GraphError(f"{folder / FACTS_NAME} cannot be read ({error}); delete {folder}, it is made anew") from error
    return SharedBase(folder, facts)


def _make(encoder: "TextEncoder", folder: Path) -> None:
    from .export import export_graph, word_vectors_of

    backbone, tokeniser = encoder.backbone, encoder.tokeniser
    refusal = ""
    try:
        if not isinstance(tokeniser, FastTokeniser):
            raise GraphError(f"the tokenizer of {backbone.name} is written in Python")
        words = word_vectors_of(backbone)
        np.save(folder / WORDS_NAME, words)
        tokeniser.save(folder / TOKENIZER_NAME)
        export_graph(
            backbone,
            folder / Graph.FOLDER,
            words=words,
            pad_id=encoder.pad_id,
            samples=encoder.tokenise(TRIAL_TEXTS),
            max_length_tokens=encoder.max_length_tokens,
        )
    except GraphError as error:
        log.warning("%s is computed by torch: %s", backbone.name, error)
        refusal = str(error)
    facts = SharedFacts(
        base_model=backbone.name,
        base_model_sha256=backbone.weights_sha256,
        hidden_size=backbone.hidden_size,
        max_length_tokens=backbone.max_length_tokens,
        pad_id=encoder.pad_id,
        refusal=refusal,
    )
    facts.write(folder / FACTS_NAME)


def _main(base_model: str, folder: str) -> None:
    from ...errors import LabelloopError
    from ..text.torch_encoder import TextEncoder

    try:
        GraphStore(Path(folder)).share(TextEncoder.load(base_model))
    except GraphError:
        pass  # its reason is in the facts, where the parent reads it
    except LabelloopError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(*sys.argv[1:])
