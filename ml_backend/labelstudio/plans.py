"""The serving plans of label configs, each read once."""

from functools import lru_cache
from typing import Protocol

from ..tasks import ServingPlan, serving_plan
from .config.parse import parse_label_config

__all__ = ["plan_of"]

LABEL_CONFIGS_KEPT = 64


class _ReadsFields(Protocol):
    """A label config, and what is read of its tasks, such as a project, a snapshot or a version has."""

    @property
    def label_config(self) -> str:
        """The XML."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that are read; empty: the first served control's text alone."""


def plan_of(source: str | _ReadsFields, fields: tuple[str, ...] | None = None) -> ServingPlan:
    """Return which controls of a label config are served, and which texts they are decided on.

    Every request brings its config along, and reading that again would take longer than the model's answer.

    Args:
        source: the label config, alone or with what is read.
        fields: what is read, where the source is a label config alone; None: all that it shows.

    Raises:
        UnreadableLabelConfig: the config is malformed.
        UnsupportedLabelConfig: nothing in it can be served.
    """
    if isinstance(source, str):
        return _plan(source, fields)
    return _plan(source.label_config, source.fields)


@lru_cache(LABEL_CONFIGS_KEPT)
def _plan(label_config: str, fields: tuple[str, ...] | None) -> ServingPlan:
    return serving_plan(parse_label_config(label_config), fields)
