import pytest

from ml_backend.domain.annotation import Prediction, Region
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.tasks import template_path

CONFIG = template_path("classification").read_text(encoding="utf-8")


def region(label: str, control: str = "category") -> tuple[Region, ...]:
    return ({"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": [label]}},)


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        (Prediction(region("Weather"), 0.5, "v1"), "Weather"),
        (Prediction(region("Billing", "topic"), 0.5, "v1"), "'topic' not found"),
        (Prediction(region("Billing"), 2.5, "v1"), "got 2.5"),
    ],
)
def test_what_does_not_fit_is_named_with_the_reason(prediction: Prediction, reason: str) -> None:
    found = StudioRules(CONFIG).misfits([(7, Prediction(region("Billing"), 0.5, "v1")), (9, prediction)])

    assert list(found) == [9]
    assert reason in found[9]
