"""Which rows a step sees, and how large it is."""

from collections.abc import Sequence

import numpy as np

__all__ = ["batches_of_like_length", "learning_rate_factor"]


def batches_of_like_length(
    lengths: Sequence[int], batch_size: int, chunk_rows: int, rng: np.random.Generator
) -> list[list[int]]:
    """All rows once, in batches in random order.

    Rows are shuffled, sorted by length within chunks, and cut into batches; so a batch needs little padding, and no
    two epochs have the same batches. Only one may be smaller than `batch_size`.
    """
    order = rng.permutation(len(lengths))
    whole = max(batch_size, chunk_rows - chunk_rows % batch_size)
    batches = []
    for start in range(0, len(order), whole):
        chunk = sorted(order[start : start + whole].tolist(), key=lambda row: lengths[row])
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def learning_rate_factor(step: float, steps: int, warmup_fraction: float) -> float:
    """Share of the peak rate at a step (counted from 0): a linear rise, then a linear fall that ends just above 0.

    Args:
        step: parts of steps count where a schedule follows the time.
    """
    warmup = max(1, round(warmup_fraction * steps))
    if step < warmup:
        return min(1.0, (step + 1) / warmup)
    return max(0.0, (steps - step) / max(1, steps - warmup))
