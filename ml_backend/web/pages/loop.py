"""The loop of a project: what pre-labels do, live accuracy, drift, costs, and auto-accept."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from ...domain.fit import UNFIT_SHARE
from ..api.auto_accept import AutoAccept
from ..api.base import NoFields
from ..api.loop import LoopOfProject
from ..call import Call
from ..charts import Chart, Point
from .base import Page

__all__: list[str] = []

DRIFT_TESTS = {
    "texts": "Do the texts that come now look like those that the version was tested on?",
    "labels": "Does it answer with the same labels as often as before?",
    "errors": "Is it wrong as often as it was on its test rows?",
}


class LoopPage(Page):
    """The worth of the loop, its costs, whether the model still fits, and what may be accepted without a look."""

    name = "loop"
    below = "overview"
    tab = "Loop"
    place = 4
    path = LoopOfProject.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = AutoAccept.read()
        loop, accepting = LoopOfProject().answer(call, NoFields()), AutoAccept().answer(call, asked)
        live = next((each for each in loop.prelabels.versions if each.weeks), None)
        return {
            "project": call.services.database.projects.get(call.ids["project_id"]),
            "loop_view": loop,
            "accepting": accepting,
            "asked": asked,
            "tests": DRIFT_TESTS,
            "unfit_share": UNFIT_SHARE,
            "accepted_chart": _weekly("Share of pre-labels that people left unchanged, by week", loop.prelabels.weeks),
            "live_chart": _weekly(f"Accuracy of {live.version} on blind tasks, by week", live.weeks) if live else "",
            "unfit_chart": _unfit_chart(loop.unfit),
            "curves": [_curve(each) for each in loop.report.controls] if loop.report else [],
            "plan_chart": _plan_chart(accepting),
        }


def _day(number: float) -> str:
    return date.fromordinal(round(number)).strftime("%d %b %Y")


def _weekly(title: str, weeks: Iterable[Any]) -> Any:
    points = [
        Point(
            date.fromisoformat(each.monday).toordinal(),
            each.share,
            f"week of {each.monday}: {each.share:.0%} ({each.low:.0%} to {each.high:.0%}) of {each.rows:,}",
            interval=(each.low, each.high),
        )
        for each in weeks
    ]
    return Chart(title, "week", "share", points, _day, ".0%").svg()


def _unfit_chart(weeks: Iterable[Any]) -> Any:
    points = [
        Point(
            date.fromisoformat(each.week).toordinal(),
            each.unfit / each.texts,
            f"week of {each.week}: {each.unfit:,} of {each.texts:,} new texts, {each.unfit / each.texts:.0%}",
            each.unfit / each.texts > 2 * UNFIT_SHARE,
        )
        for each in weeks
    ]
    return Chart("Share of new texts that fit no label, by week", "week", "share", points, _day, ".1%").svg()


def _curve(control: Mapping[str, Any]) -> Any:
    points = [
        Point(
            each["labels"],
            each["score"],
            f"{each['labels']:,} labels: {each['score']:.3f} ({each['low']:.3f} to {each['high']:.3f})",
            interval=(each["low"], each["high"]),
        )
        for each in control["points"]
    ]
    title = f"{control['metric']} of {control['control']} by the number of labels"
    return Chart(title, "labels", control["metric"], points).svg()


def _plan_chart(accepting: Any) -> Any:
    if accepting.plan is None:
        return ""
    points = [
        Point(
            100 * each.limit,
            each.coverage,
            f"wrong at most {each.limit:.1%}: {each.coverage:.0%} of answers, {each.tasks:,} tasks now",
            accepting.chosen is not None and each.limit == accepting.chosen.limit,
        )
        for each in accepting.plan.forecasts
    ]
    title = "Share of answers that a certificate would cover, by the share of them that may be wrong"
    return Chart(title, "wrong at most, in %", "covered", points, ",.0f", ".0%").svg()
