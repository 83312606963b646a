"""Charts of an audit as static SVG, described with Vega-Altair and drawn in this process, without a network."""

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from ..domain.quality import Audit, IssueKind

if TYPE_CHECKING:
    import altair as alt

__all__ = ["AuditCharts", "svg_of"]

BINS = 20
SHOWN_CLASSES = 20
MATRIX_CLASSES = 12
NAME_PIXELS = 240
"""Longer class names are cut with an ellipsis; the titles of marks have them in full."""

TEXT, SOFT, LINE, EMPTY = "#1d2430", "#5c6675", "#e3e7ec", "#f4f6f8"
CALM, SUSPECT, MISSED = "#a9bbd6", "#c2553a", "#e3b04b"
PADDING = {"left": 30, "top": 16, "right": 24, "bottom": 4}
"""Texts are measured in another font than a browser may show them in, and must not be cut by the frame."""
FONT = "system-ui, Segoe UI, Liberation Sans, sans-serif"

MOST_CHARACTERS = 300
NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NAMED_MARK = re.compile('<path aria-label="([^"]*)"([^>]*)/>')


class AuditCharts:
    """Draws the charts of an audit as SVG."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def quality(self) -> str:
        """Return how many labels have which quality; those flagged as label errors in another colour."""
        import altair as alt

        flagged_tasks = {issue.task_id for issue in self._audit.issues if issue.kind is IssueKind.LABEL_ERROR}
        lowest = self._audit.quality
        counts = {
            "labels": Counter(_bin(quality) for quality in lowest.values()),
            "flagged": Counter(_bin(lowest[task]) for task in flagged_tasks if task in lowest),
        }
        bars = [
            {
                "from": place / BINS,
                "to": (place + 1) / BINS,
                "count": count,
                "kind": kind,
                "title": f"{place / BINS:.2f} to {(place + 1) / BINS:.2f}: {count:,} {kind}",
            }
            for kind, by_place in counts.items()
            for place, count in sorted(by_place.items())
        ]
        # Nearly all labels are right: on an even scale theirs would be the only bar to be seen.
        decades = max(math.ceil(math.log10(max(counts["labels"].values(), default=1))), 1)
        scale = alt.Scale(type="log", domain=[0.7, 10**decades])
        chart = (
            alt.Chart(alt.InlineData(values=bars), width=740, height=200)
            .mark_bar(binSpacing=3)
            .encode(
                x=alt.X("from:Q", bin=alt.BinParams(binned=True, step=1 / BINS))
                .scale(domain=[0, 1])
                .axis(values=[0, 0.25, 0.5, 0.75, 1], format="~g", grid=False)
                .title("quality of the label, low is suspect (the number of labels on a logarithmic scale)"),
                x2="to:Q",
                y=alt.Y("count:Q", stack=None, scale=scale)
                .axis(values=[10**decade for decade in range(decades + 1)], format=",d", domain=False)
                .title(None),
                y2=alt.datum(0.7),
                color=alt.Color("kind:N", legend=None).scale(domain=["labels", "flagged"], range=[CALM, SUSPECT]),
                description="title:N",
            )
        )
        return svg_of(chart, "Labels by their quality")

    def noise(self) -> str:
        """Return the noisiest classes: labels of theirs that look wrong, and other labels that look like theirs."""
        import altair as alt

        noisy = sorted(
            (one for one in self._audit.classes if one.suspects + one.missed),
            key=lambda one: -(one.suspects + one.missed),
        )
        shown = noisy[:SHOWN_CLASSES]
        bars, totals = [], []
        for one in shown:
            total = one.suspects + one.missed
            suspects = f"{one.suspects} of {one.rows} labels look wrong: {one.label}"
            missed = f"{one.missed} other labels look like this one: {one.label}"
            bars += [
                {"class": one.label, "from": 0, "to": one.suspects, "kind": "suspects", "title": suspects},
                {"class": one.label, "from": one.suspects, "to": total, "kind": "missed", "title": missed},
            ]
            totals.append({"class": one.label, "to": total, "words": f"{one.suspects} + {one.missed}"})
        rows = alt.Y("class:N", sort=None, axis=_name_axis()).title(None)
        chart = alt.layer(
            alt.Chart(alt.InlineData(values=bars))
            .mark_bar(height=16)
            .encode(
                x=alt.X("from:Q", axis=None),
                x2="to:Q",
                y=rows,
                color=alt.Color("kind:N", legend=None).scale(domain=["suspects", "missed"], range=[SUSPECT, MISSED]),
                description="title:N",
            ),
            alt.Chart(alt.InlineData(values=totals))
            .mark_text(align="left", dx=8, color=SOFT)
            .encode(x=alt.X("to:Q", axis=None), y=rows, text="words:N", description="words:N"),
        ).properties(width=490, height=alt.Step(24))
        return svg_of(chart, "Noise per class")

    def pairs(self) -> str:
        """Return given labels in rows against suggested ones in columns, for the classes that are mixed up the most."""
        import altair as alt

        counts = {(pair.given, pair.suggested): pair.rows for pair in self._audit.pairs if pair.rows}
        often = sorted(counts, key=lambda pair: -counts[pair])
        shown = list(dict.fromkeys(label for pair in often for label in pair))[:MATRIX_CLASSES]
        most = max((counts.get((a, b), 0) for a in shown for b in shown), default=0) or 1
        cells = [
            {
                "given": label,
                "suggested": name,
                "count": counts.get((label, name), 0),
                "title": f"{counts.get((label, name), 0)} labeled {label} look like {name}",
            }
            for label in shown
            for name in shown
        ]
        base = alt.Chart(alt.InlineData(values=cells)).encode(
            x=alt.X("suggested:N", sort=shown, axis=_name_axis(orient="top", labelAngle=-50)).title(None),
            y=alt.Y("given:N", sort=shown, axis=_name_axis()).title(None),
            description="title:N",
        )
        is_empty = alt.datum["count"] == 0
        shade = alt.FillOpacity("count:Q", legend=None).scale(domain=[0, most], range=[0.15, 1])
        chart = alt.layer(
            base.mark_rect(stroke="#fff", strokeWidth=2).encode(
                color=alt.when(is_empty).then(alt.value(EMPTY)).otherwise(alt.value(SUSPECT)),
                fillOpacity=alt.when(is_empty).then(alt.value(1)).otherwise(shade),
            ),
            base.transform_filter(alt.datum["count"] > 0)
            .mark_text()
            .encode(
                text="count:Q",
                color=alt.when(alt.datum["count"] > 0.65 * most).then(alt.value("#fff")).otherwise(alt.value(TEXT)),
            ),
        ).properties(width=alt.Step(36), height=alt.Step(36))
        return svg_of(chart, "Given labels (rows) against suggested ones (columns)")


def _bin(quality: float) -> int:
    return min(int(quality * BINS), BINS - 1)


def _name_axis(**options: Any) -> "alt.Axis":
    import altair as alt

    return alt.Axis(labelLimit=NAME_PIXELS, labelColor=TEXT, domain=False, ticks=False, labelPadding=8, **options)


def svg_of(chart: "alt.Chart | alt.LayerChart | alt.FacetChart", title: str) -> str:
    """Draw a chart; marks with a description show it when pointed at."""
    import vl_convert

    spec = (
        chart.properties(description=title, background="transparent", padding=PADDING)
        .configure(font=FONT)
        .configure_axis(
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=8,
            labelColor=SOFT,
            titleColor=SOFT,
            gridColor=LINE,
            domainColor=SOFT,
            tickColor=LINE,
        )
        .configure_text(fontSize=12)
        .configure_view(stroke=None)
        .to_dict()
    )
    # A child that is forked after this cannot draw: the renderer's threads stay behind. Jobs are started, never forked.
    svg = vl_convert.vegalite_to_svg(_drawable(spec), allowed_base_urls=[])
    named = NAMED_MARK.sub(r'<path aria-label="\1"\2><title>\1</title></path>', svg)
    return named.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def _drawable(value: Any) -> Any:
    """Return a description without what the renderer cannot take.

    Characters that no SVG can hold end the whole process, and it measures very long words for minutes.
    """
    if isinstance(value, str):
        return NOT_XML.sub("\ufffd", value if len(value) <= MOST_CHARACTERS else f"{value[: MOST_CHARACTERS - 1]}…")
    if isinstance(value, dict):
        return {key: _drawable(item) for key, item in value.items()}
    return [_drawable(item) for item in value] if isinstance(value, list) else value
