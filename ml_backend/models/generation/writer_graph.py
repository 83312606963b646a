"""Graphs that write: a decoder with weights in 8 bits and its own key-value cache, computed by OpenVINO without torch.

    writer.json           see `WriterFacts`
    writer.xml, .bin      OpenVINO

Inputs: `input_ids` (N, T), `attention_mask` (N, all tokens so far), `position_ids` (N, T) and `beam_idx` (N,), the rows
of the cache to go on with. Outputs per row: the likeliest next token, and the logarithm of its probability.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from ...errors import GraphError
from ..base.base_model import weights_sha256
from ..base.stored_facts import StoredFacts

__all__ = ["WriterFacts", "WriterGraph", "base_writer_graph"]

FACTS_NAME = "writer.json"
REFUSAL_NAME = "refusal.txt"


class WriterFacts(StoredFacts):
    """The facts in `writer.json`.

    Attributes:
        base_model: whose tokenizer it goes with.
        max_length_tokens: of prompt and response together; None where there is no such limit.
        stop_ids: tokens that end generation by the model's own settings.
        digest: sha256 of the weights in 8 bits.
    """

    base_model: str
    base_model_sha256: str
    max_length_tokens: int | None
    stop_ids: Annotated[tuple[int, ...], Field(strict=False)]
    digest: str


@dataclass(frozen=True, slots=True)
class WriterGraph:
    """A graph on disk."""

    FOLDER: ClassVar[str] = "writer"
    XML_NAME: ClassVar[str] = "writer.xml"

    folder: Path
    facts: WriterFacts

    @property
    def xml(self) -> Path:
        """The file that OpenVINO reads; its weights lie beside it."""
        return self.folder / WriterGraph.XML_NAME

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.xml.with_suffix(".bin")

    @classmethod
    def read(cls, folder: Path) -> "WriterGraph":
        """Read the graph in a folder. That its files are unchanged is checked by the bundle around it.

        Raises:
            GraphError: it cannot be read, or is incomplete.
        """
        try:
            graph = cls(folder, WriterFacts.parse((folder / FACTS_NAME).read_bytes()))
        except (OSError, ValueError) as error:
            raise GraphError(f"{folder / FACTS_NAME} cannot be read as the facts of a graph ({error})") from error
        missing = [file.name for file in (graph.xml, graph.weights) if not file.is_file()]
        if missing:
            raise GraphError(f"{folder} lacks {', '.join(missing)}")
        return graph

    @classmethod
    def seal(cls, folder: Path, facts: WriterFacts) -> "WriterGraph":
        """Write the facts of the files that lie in a folder."""
        facts.write(folder / FACTS_NAME)
        return cls(folder, facts)


def base_writer_graph(graphs: Path, base_model: str) -> WriterGraph:
    """The graph of a base model as it is, made by a child process where it is not there yet.

    Args:
        graphs: folder of what versions over one base model share.

    Raises:
        EncoderError: the base model cannot be found.
        GraphError: torch alone can compute it.
    """
    folder = graphs / f"{weights_sha256(base_model)[:16]}-{WriterGraph.FOLDER}"
    if not folder.is_dir():
        # The memory of torch goes with the child.
        command = [sys.executable, "-m", "ml_backend.models.generation.writer_export", base_model, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own module)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise GraphError(f"{base_model} cannot be prepared to write without torch: {last[0]}")
    if (folder / REFUSAL_NAME).is_file():
        raise GraphError((folder / REFUSAL_NAME).read_text(encoding="utf-8"))
    return WriterGraph.read(folder)
