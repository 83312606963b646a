"""The slices of rows that versions are measured on."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Bools
from ..domain.example import Row
from ..domain.field_texts import readable_text
from ..errors import EncoderError
from ..snapshots.slices import row_slices
from ..tasks import ServingPlan
from .features import TextFeatures
from .services import Services

__all__ = ["slices_of"]

log = logging.getLogger(__name__)

MOST_CLUSTERS = 10
ROWS_PER_CLUSTER = 60
"""On average, so that most clusters have as many as a slice must have."""
WHOLE = "all rows"


def slices_of(
    services: Services, rows: Sequence[Row], plan: ServingPlan
) -> tuple[Mapping[str, Mapping[str, Bools]], list[str]]:
    """Return the slices of the rows per control, and sentences on what is in none of them.

    They are the labels of the control, groups of tasks, lengths, annotators and clusters of similar texts; with several
    controls also each control as a whole. The same rows have the same slices.
    """
    from ..measuring.slices import distinct_slices

    labels, masks, notes = row_slices(rows, plan)
    notes += [
        f"field {name}: no row carries it"
        for name in services.options.labels.sliced_fields
        if not any(f"field {name}" in row.groups for row in rows)
    ]
    masks.update(_clusters(services, rows, notes))
    slices: dict[str, Mapping[str, Bools]] = {}
    for served in plan.controls:
        answered = np.array([served.name in row.targets for row in rows], dtype=np.bool_)
        slices[served.name] = distinct_slices({**labels.get(served.name, {}), **masks}, answered)
        if len(plan.controls) > 1:
            named = {WHOLE: answered, **slices[served.name]}
            slices[served.name] = {f"{name} ({served.name})": mask for name, mask in named.items()}
    return slices, notes


def _clusters(services: Services, rows: Sequence[Row], notes: list[str]) -> dict[str, Bools]:
    """Return groups of rows whose texts are similar to the frozen base model, named by their most telling words."""
    count = min(MOST_CLUSTERS, len(rows) // ROWS_PER_CLUSTER)
    if count < 2:
        return {}
    from ..selection.clusters import Clusters
    from ..serving.cold_start import shared_encoder

    texts = [readable_text(row.text) for row in rows]
    try:
        features = TextFeatures(services, shared_encoder(services.options.models.base_model)).of(texts)
    except EncoderError as error:
        log.warning("%s", error)
        notes.append(f"there are no slices of similar texts, since the base model cannot be loaded: {error}")
        return {}
    clusters = Clusters.of(features, count, np.random.default_rng(services.options.seed))
    slices: dict[str, Bools] = {}
    for number, telling in clusters.telling_words(texts).items():
        name = f"cluster: {', '.join(telling)}"
        slices[f"{name} ({number})" if name in slices else name] = clusters.members == number
    return slices
