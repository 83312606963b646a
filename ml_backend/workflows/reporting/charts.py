"""Charts of a report as SVG whose colours the page's style chooses, so that they suit light, dark and paper."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...quality.charts import svg_of

__all__ = ["curve_chart", "live_chart", "rounds_chart"]

_Json = Mapping[str, Any]

COLOURS = {
    "#1d2430": "var(--text)",
    "#5c6675": "var(--soft)",
    "#e3e7ec": "var(--line)",
    "#3451b2": "var(--accent)",
    "#3451b3": "var(--band)",
    "#c2553a": "var(--signal)",
}
"""The colours that charts are drawn with, and the page's names for them."""
TEXT, SOFT, LINE, ACCENT, BAND, SIGNAL = COLOURS
COLOUR = re.compile("|".join(COLOURS))
WIDTH, HEIGHT = 640, 260


def curve_chart(control: _Json) -> str:
    """Return the learning curve: measured points, where it goes with its 90% interval, and the target."""
    import altair as alt

    metric, forecast, lead = control["metric"], control["forecast"], control["lead"][1]
    points = [_shifted(each, lead) for each in control["points"]]
    scores = [each[name] for each in (*control["band"], *points) for name in ("low", "high")]
    lowest, highest = min(scores), max([*scores, forecast["target"]])
    scale = alt.Scale(domain=[max(0.0, lowest - 0.02), min(1.0, highest + 0.03)], nice=False, zero=False)
    rows = alt.X("labels:Q").scale(zero=False, nice=False).axis(format=",d", grid=False, tickCount=6).title("labels")
    now = [{"labels": control["labels_now"], "title": f"today: {control['labels_now']:,} labels"}]
    aim = [{"target": forecast["target"], "words": f"target {forecast['target']:.2f}"}]
    band = alt.Chart(alt.InlineData(values=list(control["band"])))
    measured = alt.Chart(alt.InlineData(values=[each | {"title": _point_words(each, metric)} for each in points]))
    chart = alt.layer(
        band.mark_area(color=BAND).encode(
            x=rows, y=alt.Y("low:Q", scale=scale).title(metric).axis(format=".2f", tickCount=5), y2="high:Q"
        ),
        band.mark_line(color=ACCENT, strokeWidth=2).encode(x=rows, y=alt.Y("score:Q", scale=scale)),
        measured.mark_rule(color=SOFT).encode(x=rows, y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        measured.mark_circle(color=ACCENT, opacity=1, size=50).encode(
            x=rows, y=alt.Y("score:Q", scale=scale), description="title:N"
        ),
        alt.Chart(alt.InlineData(values=now))
        .mark_rule(color=SOFT, strokeDash=[4, 4])
        .encode(x=rows, description="title:N"),
        alt.Chart(alt.InlineData(values=now))
        .mark_text(text="today", color=SOFT, align="left", dx=6, baseline="top")
        .encode(x=rows, y=alt.value(4), description="title:N"),
        alt.Chart(alt.InlineData(values=aim))
        .mark_rule(color=SIGNAL, strokeDash=[4, 4])
        .encode(y=alt.Y("target:Q", scale=scale), description="words:N"),
        alt.Chart(alt.InlineData(values=aim))
        .mark_text(color=SIGNAL, align="left", dx=6, dy=-8)
        .encode(x=alt.value(0), y=alt.Y("target:Q", scale=scale), text="words:N", description="words:N"),
    ).properties(width=WIDTH, height=HEIGHT)
    return _coloured(svg_of(chart, f"{metric} by number of labels, measured and forecast"))


def rounds_chart(rounds: Sequence[_Json], metric: str) -> str:
    """Return the score of each round with its 95% interval, by the labels that there were."""
    import altair as alt

    values = [
        {**each, "title": f"{each['name']}: {metric} {each['macro_f1']:.3f} with {each['labels']:,} labels"}
        for each in rounds
        if each["macro_f1"] is not None
    ]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("labels:Q").scale(zero=False).axis(format=",d", grid=False, tickCount=6).title("labels")
    )
    scale = alt.Scale(zero=False)
    chart = alt.layer(
        base.mark_rule(color=SOFT, strokeWidth=1.5).encode(
            y=alt.Y("low:Q", scale=scale).title(metric).axis(format=".2f", tickCount=5), y2="high:Q"
        ),
        base.mark_line(color=ACCENT, strokeWidth=2).encode(y=alt.Y("macro_f1:Q", scale=scale)),
        base.mark_circle(color=ACCENT, opacity=1, size=60).encode(
            y=alt.Y("macro_f1:Q", scale=scale), description="title:N"
        ),
    ).properties(width=WIDTH, height=HEIGHT * 3 // 4)
    return _coloured(svg_of(chart, f"{metric} on blind rows, round by round"))


def live_chart(live: _Json) -> str:
    """Return the share of blind tasks that each version answered as people did, week by week, with 95% intervals."""
    import altair as alt

    newest = live["versions"][0]["version"]
    values = [
        {
            **week,
            "version": each["version"],
            "colour": ACCENT if each["version"] == newest else SOFT,
            "title": f"{each['version']}, from {week['from']}: {week['share']:.1%} of {week['rows']} blind tasks",
        }
        for each in live["versions"]
        for week in each["weeks"]
    ]
    colour = alt.Color("colour:N").scale(None)
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("from:T").axis(grid=False, tickCount=6, format="%d %b").title("week from"), color=colour
    )
    scale = alt.Scale(zero=False)
    score = alt.Y("share:Q", scale=scale).title("answered as people did").axis(format=".0%", tickCount=5)
    chart = alt.layer(
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y=score, detail="version:N"),
        base.mark_circle(opacity=1, size=60).encode(y=score, description="title:N"),
    ).properties(width=WIDTH, height=HEIGHT * 3 // 4)
    return _coloured(svg_of(chart, "share of blind tasks answered as people did, week by week"))


def _shifted(point: _Json, lead: float) -> dict[str, Any]:
    """Return a point as the model that serves would have it."""
    return {**point, **{name: min(point[name] + lead, 1.0) for name in ("low", "score", "high")}}


def _point_words(point: _Json, metric: str) -> str:
    return f"{metric} {point['score']:.3f} with {point['labels']:,} labels ({point['low']:.3f} to {point['high']:.3f})"


def _coloured(svg: str) -> str:
    return COLOUR.sub(lambda found: COLOURS[found.group()], svg)
