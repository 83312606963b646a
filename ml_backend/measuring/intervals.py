"""Exact intervals of shares."""

__all__ = ["exact_interval"]

CONFIDENCE = 0.95


def exact_interval(right: int, decided: int) -> tuple[float, float]:
    """Return the exact two-sided 95% interval of a share (Clopper and Pearson 1934); 0 and 1 where nothing is decided.

    Args:
        right: how many of the decided ones.
    """
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(right, decided - right + 1, tail)) if right else 0.0
    high = float(betaincinv(right + 1, decided - right, 1 - tail)) if right < decided else 1.0
    return low, high
