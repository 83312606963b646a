"""Predictions as Label Studio takes and returns them."""

from collections.abc import Mapping
from typing import Any

from ..domain.annotation import Prediction

__all__ = ["prediction_from_api", "prediction_to_json"]


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
