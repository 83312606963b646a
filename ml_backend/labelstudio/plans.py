"""The served controls of a label config, read once for each config."""

from functools import lru_cache

from ..tasks import ServingPlan, serving_plan
from .config.parse import parse_label_config

__all__ = ["plan_of"]

LABEL_CONFIGS_KEPT = 64


@lru_cache(LABEL_CONFIGS_KEPT)
def plan_of(label_config: str) -> ServingPlan:
    """Return which controls of a label config are served.

    Every request brings its config along, and reading that again would take longer than the model's answer.

    Raises:
        UnreadableLabelConfig: the config is malformed.
        UnsupportedLabelConfig: nothing in it can be served.
    """
    return serving_plan(parse_label_config(label_config))
