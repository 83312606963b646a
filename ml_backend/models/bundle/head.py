"""The linear head of a part: `head.safetensors` with `weight` (K, D) and `bias` (K,), float32."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...arrays import Floats2d
from ...errors import BundleError

__all__ = ["Head"]

FILE_NAME = "head.safetensors"
LARGEST = 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear head.

    Attributes:
        weight: shape (K, D).
        bias: shape (K,).
    """

    weight: Floats2d
    bias: Floats2d

    def logits(self, features: Floats2d) -> Floats2d:
        """Shape (N, K) from features of shape (N, D)."""
        return features @ self.weight.T + self.bias

    def write(self, folder: Path) -> None:
        """Write the head into a part's folder."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"weight": np.ascontiguousarray(self.weight), "bias": np.ascontiguousarray(self.bias)}
        save_file(tensors, folder / FILE_NAME)

    @classmethod
    def read(cls, folder: Path) -> "Head":
        """Read the head in a part's folder.

        Raises:
            BundleError: there is none that can be read.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        file = folder / FILE_NAME
        try:
            tensors = load_file(file)
            head = cls(tensors["weight"], tensors["bias"])
        except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
            raise BundleError(f"{file} does not hold a head's weight and bias: {error}; train again") from error
        head._check(file)
        return head

    def _check(self, file: Path) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise BundleError(
                f"{file}: the head has weight {self.weight.shape} and bias {self.bias.shape}; wanted as many rows in "
                "both"
            )
        if {self.weight.dtype, self.bias.dtype} != {np.dtype(np.float32)}:
            raise BundleError(f"{file}: the head is of {self.weight.dtype} and {self.bias.dtype}; wanted float32")
        # Written so that NaN fails, since no comparison with NaN is true.
        if not all((np.abs(values) < LARGEST).all() for values in (self.weight, self.bias)):
            raise BundleError(f"{file}: the head holds values that are not finite, or absurd; train again")
