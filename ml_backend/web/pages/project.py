"""One project."""

from collections.abc import Mapping
from typing import Any

from ..api.base import NoFields
from ..api.forecast import CurvePoint, LabelCurve, ProjectForecast
from ..api.projects import OneProject
from ..call import Call
from ..charts import Chart, Point
from .base import Page

__all__: list[str] = []

LOG_SHOWN = VERSIONS_SHOWN = 10


class ProjectPage(Page):
    """A project: what serves and how it got there, what waits for people, what labels have bought."""

    name = "project"
    below = "overview"
    tab = "Overview"
    place = 1
    path = OneProject.path

    def content(self, call: Call) -> Mapping[str, Any]:
        project = OneProject().answer(call, NoFields())
        points = [
            Point(
                each.labels,
                each.macro_f1,
                f"{each.version}: macro-F1 {each.macro_f1:.3f} with {each.labels:,} labels",
                each.is_champion,
            )
            for each in project.versions
            if each.labels is not None and each.macro_f1 is not None
        ]
        points.sort(key=lambda point: point.x)
        forecast = ProjectForecast().answer(call, NoFields())
        title = "Macro-F1 on validation rows by the number of labels"
        return {
            "project": project,
            "chart": Chart(title, "labels", "macro-F1", points).svg(),
            "forecast": forecast,
            "forecast_charts": [(curve, _forecast_chart(curve).svg()) for curve in forecast.curves],
            "versions": [*reversed(project.versions)][:VERSIONS_SHOWN],
            "log": project.log[:LOG_SHOWN],
            "first_served": next((each for each in project.log if each.version == project.serving), None),
        }


def _forecast_chart(curve: LabelCurve) -> Chart:
    """Return the measured points, as what serves would have them, where the curve goes, and the target."""
    lead = curve.lead[1]

    def point(each: CurvePoint, shift: float = 0.0) -> Point:
        low, score, high = (min(value + shift, 1.0) for value in (each.low, each.score, each.high))
        words = f"{curve.metric} {score:.3f} ({low:.3f} to {high:.3f}) with {each.labels:,} labels"
        return Point(each.labels, score, words, interval=(low, high))

    target = curve.forecast.target
    return Chart(
        f"{curve.metric} of {curve.control} by the number of labels, measured and forecast",
        "labels",
        curve.metric,
        [point(each, lead) for each in curve.points],
        is_joined=False,
        band=[point(each) for each in curve.band],
        goal=Point(0, target, f"target {target:.2f}"),
        today=Point(curve.labels_now, 0, f"today: {curve.labels_now:,} labels"),
    )
