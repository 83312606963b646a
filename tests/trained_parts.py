"""Parts of serving bundles, written by hand."""

from collections.abc import Sequence
from pathlib import Path

from ml_backend.domain.model import Method
from ml_backend.models.bundle.bundle import TrainedPart
from ml_backend.models.bundle.head import Head
from ml_backend.models.bundle.manifest import PartFacts
from ml_backend.models.decoders.base import Decoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder

__all__ = ["QUANTILES", "softmax_part", "written_part"]

QUANTILES = tuple(i / 100 for i in range(101))


def softmax_part(
    folder: Path, head: Head, labels: Sequence[str], *, control: str = "intent", temperature: float = 1.0
) -> TrainedPart:
    """A part for a single choice among these labels."""
    return written_part(folder, head, SoftmaxDecoder(labels=tuple(labels), temperature=temperature), control=control)


def written_part(
    folder: Path,
    head: Head,
    decoder: Decoder,
    *,
    control: str = "intent",
    method: Method = Method.REGRESSION,
    quantiles: Sequence[float] = QUANTILES,
) -> TrainedPart:
    """A part whose head lies in the folder."""
    head.write(folder)
    facts = PartFacts(
        control=control,
        head=decoder.head,
        method=method,
        decoder=decoder,
        max_length_tokens=64,
        score_quantiles=tuple(quantiles),
        settings={"epochs": 3},
    )
    return TrainedPart(facts, folder)
