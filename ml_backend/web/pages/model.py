"""One version."""

from collections.abc import Mapping
from typing import Any

from ..api.models import HeldOutFigures, OneModel
from ..call import Call
from ..charts import Chart, Point
from .base import Page

__all__: list[str] = []


class ModelPage(Page):
    """A version: figures per label, what it confuses, how far to trust its confidences, and how it was made."""

    name = "model"
    below = "models"
    path = OneModel.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = OneModel.read()
        project = call.services.database.projects.get(call.ids["project_id"])
        found = OneModel().answer(call, asked)
        return {
            "project": project,
            "asked": asked,
            "found": found,
            "chart": _reliability(found.held_out) if found.held_out else "",
        }


def _reliability(figures: HeldOutFigures) -> Any:
    """Return the reliability diagram of whole answers."""
    bins = figures.calibration["bins"] if figures.calibration else ()
    points = [
        Point(
            each["confidence"],
            each["accuracy"],
            f"{each['rows']:,} answers of confidence {each['confidence']:.2f}: {each['accuracy']:.0%} right, "
            f"95% interval {each['low']:.0%} to {each['high']:.0%}",
            interval=(each["low"], each["high"]),
        )
        for each in bins
    ]
    title = "Share of right answers by confidence; on the diagonal both are equal"
    axes = ("confidence", "share of right answers")
    return Chart(title, *axes, points, x_format=".1f", y_format=".1f", is_of_shares=True).svg()
