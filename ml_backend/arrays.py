"""Names for the types of arrays: they tell what the numbers are, docstrings tell the shapes."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["AnyFloats", "Bools", "Codes", "Floats", "Floats2d", "Ints", "Places"]

Floats: TypeAlias = npt.NDArray[np.float64]
"""Probabilities, scores and statistics: what is computed from a model's numbers."""
Floats2d: TypeAlias = npt.NDArray[np.float32]
"""A model's numbers, in single precision: vectors and features (N, D), logits (N, K), weights,
the vectors of a vocabulary (V, D) by token id, which may be mapped from a file."""
AnyFloats: TypeAlias = npt.NDArray[np.floating]
"""In either precision."""
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = Ints | Floats2d
"""The right answers of a head, per unit: a class, shape (U,), or yes and no per label, shape (U, K)."""
Places: TypeAlias = tuple[Ints, Ints, Ints]
"""Per unit its row in a batch, its first token there, and the one after its last."""
