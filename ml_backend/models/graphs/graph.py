"""Exported graphs: the layers of a base model, tuned or not, in a form that needs no torch to be computed.

A graph begins after the word vectors, which the runtime looks up: they take up half of a small model, and
all versions over one base model share them.

    graph.json                facts, sha256 of every other file
    encoder.onnx              ONNX, fp32
    encoder-int8.xml, .bin    OpenVINO, weights and activations in 8 bits; absent where that changed too many answers
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy.typing as npt

from ...arrays import Floats2d, Ints
from ...errors import GraphError
from ..base.stored_facts import StoredFacts

__all__ = ["INPUTS", "Graph", "GraphFacts"]

FACTS_NAME = "graph.json"
INPUTS = EMBEDS, POSITIONS, NUMBERS = "inputs_embeds", "position_ids", "sequence_numbers"
SCHEMA_VERSION = 1


class GraphFacts(StoredFacts):
    """The facts in `graph.json`.

    Attributes:
        base_model_sha256: digest of the weights whose word vectors the graph begins after.
        is_packed: several sequences may share a row: the graph takes `position_ids`, and no sequence sees another.
        first_position: position of a sequence's first token.
        files: sha256 by name.
    """

    base_model_sha256: str
    hidden_size: int
    is_packed: bool
    first_position: int
    pad_id: int
    files: Mapping[str, str]
    schema_version: int = SCHEMA_VERSION

    def inputs(self, words: Floats2d, arrays: tuple[Ints, Ints, Ints]) -> dict[str, npt.NDArray[Any]]:
        """Return the inputs of a graph, by name, from the arrays of `packing.feed`."""
        ids, positions, numbers = arrays
        inputs: dict[str, npt.NDArray[Any]] = {EMBEDS: words[ids], NUMBERS: numbers}
        if self.is_packed:
            inputs[POSITIONS] = positions + self.first_position
        return inputs


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph on disk.

    Attributes:
        FOLDER: usual name of the folder, in a bundle and in the files of a base model.
        ONNX_NAME: the file in fp32.
        INT8_NAMES: the files in 8 bits.
    """

    FOLDER: ClassVar[str] = "graph"
    ONNX_NAME: ClassVar[str] = "encoder.onnx"
    INT8_NAMES: ClassVar[tuple[str, str]] = ("encoder-int8.xml", "encoder-int8.bin")

    folder: Path
    facts: GraphFacts

    @classmethod
    def read(cls, folder: Path) -> "Graph":
        """Read the graph in a folder. That its files are unchanged is checked by the bundle or store around it.

        Raises:
            GraphError: it is of another schema, or incomplete.
        """
        file = folder / FACTS_NAME
        try:
            content = file.read_bytes()
            schema = GraphFacts.schema_of(content)
            if schema != SCHEMA_VERSION:
                raise GraphError(f"{file} has schema version {schema}; this labelloop reads {SCHEMA_VERSION}")
            facts = GraphFacts.parse(content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GraphError(f"{file} is not readable as the facts of a graph ({error})") from error
        missing = [name for name in facts.files if not (folder / name).is_file()]
        if missing:
            raise GraphError(f"{folder} lacks {', '.join(missing)}, which {FACTS_NAME} lists")
        return cls(folder, facts)

    @classmethod
    def seal(cls, folder: Path, facts: GraphFacts) -> "Graph":
        """Write the facts of the files that lie in a folder; `files` is filled in here."""
        digests = {}
        for name in (Graph.ONNX_NAME, *Graph.INT8_NAMES):
            if (folder / name).is_file():
                with (folder / name).open("rb") as file:
                    digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        sealed = facts.copy_with(files=digests)
        sealed.write(folder / FACTS_NAME)
        return cls(folder, sealed)

    @property
    def onnx(self) -> Path:
        """The graph in fp32."""
        return self.folder / Graph.ONNX_NAME

    @property
    def int8(self) -> Path | None:
        """The graph in 8 bits, None where there is none."""
        return self.folder / Graph.INT8_NAMES[0] if Graph.INT8_NAMES[0] in self.facts.files else None

    @property
    def digest(self) -> str:
        """The same for graphs that are the same, wherever they lie."""
        return hashlib.sha256(json.dumps(sorted(self.facts.files.items())).encode()).hexdigest()

    def without_int8(self) -> "Graph":
        """The graph after its form in 8 bits was deleted."""
        for name in Graph.INT8_NAMES:
            (self.folder / name).unlink(missing_ok=True)
        return Graph.seal(self.folder, self.facts)
