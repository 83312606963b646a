"""Predictions as Label Studio takes and returns them."""

from collections.abc import Mapping
from typing import Any

from ..domain.annotation import Prediction
from ..errors import StudioError, StudioRejected
from .http import StudioHttp

__all__ = ["prediction_from_api", "prediction_to_json", "store_prediction"]

NOT_FOUND = 404


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as Label Studio takes it, in an answer to `/predict`, an import or a file of tasks."""
    return {
        "result": [dict(region) for region in prediction.result],
        "score": prediction.score,
        "model_version": prediction.model_version,
    }


def prediction_from_api(body: Mapping[str, Any]) -> Prediction:
    """Return a stored prediction. Anybody may have made it: what is no region is left out, and what is no score."""
    result, score = body.get("result"), body.get("score")
    regions = tuple(each for each in result if isinstance(each, dict)) if isinstance(result, list) else ()
    return Prediction(
        regions, float(score) if isinstance(score, int | float) else None, str(body.get("model_version") or "")
    )


def store_prediction(http: StudioHttp, task_id: int, prediction: Prediction) -> bool:
    """Store one prediction by itself, which Label Studio does not check as it does those that come together.

    Returns:
        False where the task is gone.

    Raises:
        StudioError: what it stored is not what was sent.
    """
    document = prediction_to_json(prediction)
    try:
        stored = http.send("POST", "api/predictions/", {"task": task_id, **document})
    except StudioRejected as rejected:
        # A task that is gone and a prediction that is wrong are refused alike.
        try:
            http.get(f"api/tasks/{task_id}/")
        except StudioRejected as missing:
            if missing.status == NOT_FOUND:
                return False
        raise rejected from None
    if not isinstance(stored, Mapping) or stored.get("result") != document["result"]:
        raise StudioError(
            f"Label Studio stored another prediction of task {task_id} than {prediction.model_version} gave: look "
            "at the task, and whether the instance changes what it stores"
        )
    return True
