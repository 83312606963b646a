"""Serving bundles and their parts, written by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml_backend.domain.model import Method
from ml_backend.models.base.base_model import weights_sha256
from ml_backend.models.bundle.bundle import Bundle, TrainedPart, write_bundle
from ml_backend.models.bundle.head import Head
from ml_backend.models.bundle.manifest import BundleFacts, BundleManifest, PartFacts
from ml_backend.models.decoders.base import Decoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder

__all__ = ["FACTS", "MANIFEST", "QUANTILES", "random_head", "softmax_part", "written_bundle", "written_part"]

QUANTILES = tuple(i / 100 for i in range(101))
FACTS = BundleFacts(field="body", label_config="<View/>", label_config_fingerprint="0123456789ab", snapshot_id="cdef")
MANIFEST = BundleManifest(
    model_version="tickets-1-v3",
    base_model="tiny",
    base_model_sha256="ab" * 32,
    facts=FACTS,
    parts=(),
    seed=7,
    created_at="2026-01-01T00:00:00+00:00",
    libraries={"torch": "2.13.0"},
)


def written_bundle(
    folder: Path, base: str, *parts: TrainedPart, version: str = "tickets-1-v3", base_sha256: str = ""
) -> Bundle:
    """A version over this base model, trained on no texts."""
    manifest = MANIFEST.copy_with(
        model_version=version, base_model=base, base_model_sha256=base_sha256 or weights_sha256(base)
    )
    return write_bundle(folder, manifest, parts, trained_on=[])


def random_head(rows: int, width: int, seed: int = 0) -> Head:
    weight = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    return Head(weight, np.zeros(rows, dtype=np.float32))


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
