"""Labels inside labels: F1 over labels and all that they lie inside."""

from ..evaluation import Average
from ..f1 import F1Measure

__all__: list[str] = []


class TaxonomyMeasure(F1Measure):
    """Micro-F1 over labels with their parents: a label beside the right one is half right, as they share parents.

    Source: Kiritchenko et al. 2006, "Learning and Evaluation in the Presence of Class Hierarchies".
    """

    head = "taxonomy"
    metric = "hierarchical F1"
    curve = "micro_f1"
    average = Average.MICRO
