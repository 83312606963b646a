"""Plots as SVG: the same figures give the same bytes."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = ["COLOURS", "Draw", "bars", "lines", "points", "save"]

Draw = Callable[["Axes"], None]

COLOURS = {
    "peer": "#9aa0a6",
    "eager": "#9aa0a6",
    "label-studio-sdk": "#9aa0a6",
    "labelloop": "#1a73e8",
    "openvino-int8": "#1a73e8",
    "openvino": "#12a4af",
    "onnxruntime": "#e8710a",
    "torch": "#9334e6",
}
OTHERS = ("#1a73e8", "#e8710a", "#9334e6", "#12a4af", "#d93025", "#188038")
PANEL_INCHES = (4.6, 3.0)
STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "labelloop",
    "svg.fonttype": "none",  # text stays text: light, and sharp at every size
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": "#5f6368",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e8eaed",
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def save(path: Path, panels: Sequence[Draw]) -> None:
    """Write panels side by side into an SVG file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
        width, height = PANEL_INCHES
        figure = Figure(figsize=(width * max(len(panels), 1.6), height), layout="constrained", facecolor="white")
        FigureCanvasSVG(figure)
        for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw(axes)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    # Its lines end in spaces, which every later edit would take away.
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def bars(
    groups: Sequence[str],
    series: Mapping[str, Sequence[Mapping[str, float] | None]],
    label: str,
    *,
    across: str = "",
    is_log: bool = False,
    marks: Mapping[str, float] | None = None,
) -> Draw:
    """Bars by group, one a series, with ranges; a missing figure leaves its place empty.

    Args:
        series: medians with `low` and `high`, in the order of the groups.
        marks: heights of dashed lines, by what they say.
    """

    def draw(axes: "Axes") -> None:
        width = 0.8 / max(len(series), 1)
        for index, (name, figures) in enumerate(series.items()):
            shown = [(place, figure) for place, figure in enumerate(figures) if figure is not None]
            places = [place + (index - (len(series) - 1) / 2) * width for place, _ in shown]
            medians = [figure["median"] for _, figure in shown]
            below = [max(0.0, figure["median"] - figure["low"]) for _, figure in shown]
            above = [max(0.0, figure["high"] - figure["median"]) for _, figure in shown]
            colour = COLOURS.get(name, OTHERS[index % len(OTHERS)])
            axes.bar(places, medians, 0.9 * width, label=name, color=colour)
            if any(below) or any(above):
                axes.errorbar(
                    places, medians, [below, above], fmt="none", ecolor="#3c4043", elinewidth=0.8, capsize=1.5
                )
        for text, height in (marks or {}).items():
            axes.axhline(height, color="#d93025", linewidth=0.8, linestyle="--", label=text)
        axes.set_xticks(range(len(groups)), groups)
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel(label)
        if across:
            axes.set_xlabel(across)
        if is_log:
            axes.set_yscale("log")
            _plain_numbers(axes.yaxis)
            lowest = min(figure["low"] for figures in series.values() for figure in figures if figure is not None)
            axes.set_ylim(bottom=10 ** math.floor(math.log10(max(lowest, 1e-6))))
        axes.legend(ncols=min(3, len(series) + len(marks or {})), loc="lower left", bbox_to_anchor=(0, 1))

    return draw


def points(series: Mapping[str, Sequence[tuple[float, float]]], across: str, label: str) -> Draw:
    """Points (x, y), x on a logarithmic scale."""

    def draw(axes: "Axes") -> None:
        for index, (name, places) in enumerate(series.items()):
            axes.scatter(*zip(*places, strict=True), s=22, label=name, color=OTHERS[index % len(OTHERS)])
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis)
        axes.set_xlabel(across)
        axes.set_ylabel(label)
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))

    return draw


def lines(series: Mapping[str, Sequence[tuple[float, float]]], across: str, label: str) -> Draw:
    """Lines through points (x, y), both on logarithmic scales."""

    def draw(axes: "Axes") -> None:
        for index, (name, places) in enumerate(series.items()):
            colour = OTHERS[index % len(OTHERS)]
            axes.plot(*zip(*places, strict=True), marker="o", markersize=3.5, linewidth=1.4, label=name, color=colour)
        for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            scale("log")
            _plain_numbers(axis)
        axes.set_xlabel(across)
        axes.set_ylabel(label)
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))

    return draw


def _plain_numbers(axis: "Axis") -> None:
    """10 and 1,000 in place of powers, and nothing in between."""
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axis.set_minor_formatter(lambda _value, _place: "")
