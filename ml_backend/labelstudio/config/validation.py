"""Check predictions against a label config by the rules that Label Studio applies to them.

Label Studio's bulk endpoint drops what does not fit without a word; its own validator, which the SDK holds, says why.
Source: https://labelstud.io/sdk (`LabelInterface.validate_prediction`).
"""

from collections.abc import Sequence

from ...domain.annotation import Prediction
from ..predictions import prediction_to_json

__all__ = ["StudioRules"]


class StudioRules:
    """The rules that Label Studio applies to predictions under one label config."""

    def __init__(self, label_config: str) -> None:
        from label_studio_sdk.label_interface.interface import LabelInterface

        self._interface = LabelInterface(label_config)

    @property
    def controls(self) -> frozenset[str]:
        """The names of the controls for which Label Studio accepts predictions.

        Its editor also shows controls whose `toName` is missing or spelled in another case.
        """
        return frozenset(str(control.name) for control in self._interface.controls or ())

    def misfits(self, predictions: Sequence[tuple[int, Prediction]]) -> dict[int, str]:
        """Return by task id why Label Studio would drop the prediction, for those that it would drop.

        Args:
            predictions: pairs of task id and prediction.
        """
        reasons: dict[int, str] = {}
        for task_id, prediction in predictions:
            document = prediction_to_json(prediction)
            errors = self._interface.validate_prediction(document, return_errors=True)  # type: ignore[no-untyped-call]  # SDK
            if errors:
                reasons[task_id] = "; ".join(map(str, errors))
        return reasons
