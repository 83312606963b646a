"""Check predictions against a label config by the rules that Label Studio applies to them.

Label Studio's bulk endpoint drops what does not fit without a word; its own validator, which the SDK holds, says why.
Source: https://labelstud.io/sdk (`LabelInterface.validate_prediction`).
"""

from collections.abc import Sequence

from ...domain.annotation import Prediction
from ..payloads import prediction_to_json

__all__ = ["known_controls", "misfits"]


def known_controls(label_config: str) -> frozenset[str]:
    """Return the names of the controls for which Label Studio accepts predictions.

    Its editor also shows controls whose `toName` is missing or spelled in another case.
    """
    from label_studio_sdk.label_interface.interface import LabelInterface

    return frozenset(str(control.name) for control in LabelInterface(label_config).controls or ())


def misfits(label_config: str, predictions: Sequence[tuple[int, Prediction]]) -> dict[int, str]:
    """Return by task id why Label Studio would drop the prediction, for those that it would drop.

    Args:
        label_config: XML of the project.
        predictions: pairs of task id and prediction.
    """
    from label_studio_sdk.label_interface.interface import LabelInterface

    interface = LabelInterface(label_config)
    reasons: dict[int, str] = {}
    for task_id, prediction in predictions:
        document = prediction_to_json(prediction)
        errors = interface.validate_prediction(document, return_errors=True)  # type: ignore[no-untyped-call]
        if errors:
            reasons[task_id] = "; ".join(map(str, errors))
    return reasons
