"""Texts with labels, as far as a part keeps them to compare others with: `known_texts.safetensors`.

It holds `vectors` (N, D), `gaps` (N,) and `held_out` (V, D + 1) in half precision, `codes` (N,), and `keys` (N,), which
versions from before lack.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...arrays import Floats, Floats2d, Ints
from ...errors import BundleError

__all__ = ["KnownTexts", "text_key"]

FILE_NAME = "known_texts.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class KnownTexts:
    """The likeness of the texts that a part has labels of; see `Decoder.likeness`.

    Attributes:
        vectors: of train rows, shape (N, D); D is 0 where greatest logits alone tell how well texts fit.
        codes: a number for the label of each of them, shape (N,).
        gaps: how far the nearest others are from each of them, see `measuring.novelty`, shape (N,).
        held_out: of rows that it was not trained on, vectors and greatest logits, shape (V, D + 1).
        keys: the `text_key` of each train row, shape (N,), by which a snapshot's row is found; empty: not kept.
    """

    vectors: Floats2d
    codes: Ints
    gaps: Floats
    held_out: Floats2d
    keys: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def nearest(self, vector: Floats2d, count: int) -> list[tuple[int, float]]:
        """Return key and cosine of the train rows that are nearest to a text, the nearest first.

        Args:
            vector: of the text, of length 1, shape (1, D).
        """
        if not len(self.keys):
            return []
        nearness = (self.vectors @ vector[0]).astype(np.float64)
        order = np.argsort(-nearness, kind="stable")[:count]
        return [(int(self.keys[i]), float(nearness[i])) for i in order]

    def write(self, folder: Path) -> None:
        """Write the vectors into a part's folder."""
        from safetensors.numpy import save_file

        tensors: dict[str, npt.NDArray[Any]] = {
            "vectors": self.vectors.astype(np.float16),
            "codes": self.codes.astype(np.int32),
            "gaps": self.gaps.astype(np.float16),
            "held_out": self.held_out.astype(np.float16),
            "keys": self.keys.astype(np.int64),
        }
        save_file(tensors, folder / FILE_NAME)

    @classmethod
    def read(cls, folder: Path) -> "KnownTexts | None":
        """Read the vectors in a part's folder; None where it keeps none, or no gaps, as versions from before have none.

        Raises:
            BundleError: they cannot be read.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        file = folder / FILE_NAME
        if not file.is_file():
            return None
        try:
            tensors = load_file(file)
            if "gaps" not in tensors and "vectors" in tensors:
                return None
            vectors, codes, gaps, held_out = (tensors[name] for name in ("vectors", "codes", "gaps", "held_out"))
            keys = tensors.get("keys", np.zeros(0, dtype=np.int64))
        except (SafetensorError, KeyError, OSError) as error:
            raise BundleError(f"{file} does not hold vectors of known texts: {error}; train again") from error
        wanted = (len(held_out), vectors.shape[-1] + 1)
        of_rows = vectors.shape[:1]
        if len(keys) not in (0, *of_rows):
            raise BundleError(f"{file} holds {len(keys)} keys of {len(vectors)} vectors; train again")
        if vectors.ndim != 2 or codes.shape != of_rows or gaps.shape != of_rows or held_out.shape != wanted:
            raise BundleError(
                f"{file} holds vectors {vectors.shape}, codes {codes.shape}, gaps {gaps.shape} and held-out rows "
                f"{held_out.shape}; wanted a code and a gap per vector, and one number more per held-out row; train "
                "again"
            )
        return cls(
            vectors.astype(np.float32),
            codes.astype(np.int64),
            gaps.astype(np.float64),
            held_out.astype(np.float32),
            keys.astype(np.int64),
        )


def text_key(text: str) -> int:
    """Return a number that stands for a text: two of a billion texts share one with a chance of 3%."""
    # Label Studio lets halves of surrogate pairs through, which strict UTF-8 refuses.
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
