"""Show a report as one HTML page that needs nothing else: styles and charts are in it, and no script."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.fit import LEAST_HELD_OUT
from ...quality.report import NOT_FOR_FILES
from .charts import curve_chart, live_chart, rounds_chart
from .wording import pair_words

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["report_page"]

TEMPLATE = Path(__file__).with_name("report.html")
SHOWN_LABELS, SHOWN_PAIRS, SHOWN_SLICES, SHOWN_GROUPS, SHOWN_WEEKS = 15, 6, 10, 10, 12
RECORD = (
    "Where the truth is known, 89 in 100 such intervals held it, nearly half of them without an upper end, and the "
    "likeliest number was off by 22% in the median."
)
"""The record of such forecasts where the truth is known, as docs/quality.md has it."""


def report_page(report: Mapping[str, Any]) -> str:
    """Return the page. Whatever comes from tasks, labels and annotators is escaped.

    Args:
        report: as `report_on_project` gives it.
    """
    metric = report["controls"][0]["metric"] if report["controls"] else "F1"
    has_scores = any(each["macro_f1"] is not None for each in report["rounds"])
    has_live = any(each["weeks"] for each in report["live"]["versions"]) if report["live"] else False
    page = _template().render(
        **report,
        metric=metric,
        curves=[curve_chart(control) for control in report["controls"]],
        live_chart=live_chart(report["live"]) if has_live else "",
        rounds_chart=rounds_chart(report["rounds"], metric) if has_scores else "",
        link=lambda task_id: f"{report['project_url']}/data?task={task_id}" if report["project_url"] else None,
        pair_words=pair_words,
        record=RECORD,
        shown_labels=SHOWN_LABELS,
        shown_pairs=SHOWN_PAIRS,
        shown_slices=SHOWN_SLICES,
        shown_groups=SHOWN_GROUPS,
        shown_weeks=SHOWN_WEEKS,
        least_held_out=LEAST_HELD_OUT,
    )
    return NOT_FOR_FILES.sub("\ufffd", page)


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.3f}".lstrip("0")
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}"
    environment.filters["percent"] = lambda value: "–" if value is None else f"{value:.0%}"
    environment.filters["time"] = _time
    environment.filters["seconds"] = lambda value: "–" if value is None else f"{value:.1f}"
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _time(seconds: float | None) -> str:
    """Return a length of time as a person says it."""
    if seconds is None:
        return "–"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if abs(minutes) < 120 else f"{minutes / 60:.1f} h"
