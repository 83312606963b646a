"""Controls and plans, made short for the tests of the kinds."""

from typing import Any

from ml_backend.domain.annotation import Region
from ml_backend.domain.label_config import Control
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import ServingPlan, serving_plan

__all__ = ["TEXT", "choices_region", "control", "labels_region", "plan"]

TEXT = "😀 Bob went to Paris 👩‍👩‍👧 with Zoë.\r\nLine two: Ann\tsaw 𝒳 Rome."


def plan(controls: str) -> ServingPlan:
    """The plan of a config with these controls on the field `text`."""
    return serving_plan(parse_label_config(f'<View><Text name="text" value="$text"/>{controls}</View>'))


def control(xml: str) -> Control:
    """The one control of such a config."""
    (served,) = plan(xml).controls
    return served.control


def choices_region(choices: Any, name: str = "tags") -> Region:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": choices}}


def labels_region(start: Any, end: Any, labels: Any, name: str = "spans", **more: Any) -> Region:
    value = {"start": start, "end": end, "labels": labels, **more}
    return {"from_name": name, "to_name": "text", "type": "labels", "value": value}
