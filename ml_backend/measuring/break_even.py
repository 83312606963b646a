"""The number of texts from which labels that were paid for once cost less than a price per text."""

import math

__all__ = ["cheaper_from"]


def cheaper_from(once: float, per_thousand: float, otherwise: float) -> float:
    """Return the number of texts from which paying once, and less per text, is the cheaper way.

    0: from the first text on; infinity: never.

    Args:
        once: what is paid before the first text.
        per_thousand: what a thousand texts cost then.
        otherwise: what they cost where nothing was paid before.
    """
    saved = otherwise - per_thousand
    if saved <= 0:
        return math.inf
    return math.ceil(1000 * once / saved)
