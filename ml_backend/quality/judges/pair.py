"""Comparisons: one side per row."""

from .softmax import SoftmaxJudge

__all__: list[str] = []


class PairJudge(SoftmaxJudge):
    """Judges each side against the other."""

    head = "pair"
