"""Small charts as SVG without styles, whose colours the style sheet chooses.

The report's charts are drawn by a library that holds a whole JavaScript engine: 115 MB and a quarter of a second per
chart. That is too much for a process that pre-labels, and for a curve that is drawn every second.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, inf, log10

from markupsafe import Markup

__all__ = ["Chart", "Point"]

WIDTH, HEIGHT = 880, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40
MOST_TICKS = 6
MOST_DOTS = 40
"""With more points, only those that stand out are dots: the others would hide the line."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a place.

    Attributes:
        words: what it is, for those who point at it or listen.
        is_marked: it stands out, as what serves does.
        interval: what the value lies within, drawn as a bar; None: nothing.
    """

    x: float
    y: float
    words: str = ""
    is_marked: bool = False
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A line through points, over the place on the horizontal axis.

    Attributes:
        title: what is shown, in a sentence, for those who do not see it.
        x_title, y_title: of the axes, units included.
        x_format: of the numbers on the horizontal axis, or what turns one into words.
        y_format: of the numbers on the vertical axis.
        is_of_shares: both axes go from 0 to 1, and the diagonal is drawn, on which both are equal.
        is_joined: a line goes through the points.
        gap: a line ends where the next point is further away than this on the horizontal axis, and begins again there.
        band: a curve with its interval, as points that have one, by their places; drawn behind the points.
        goal: a value to reach, in the point's `y`, with words that stand beside its line.
        today: a place on the horizontal axis to tell apart, in the point's `x`, with such words.
    """

    title: str
    x_title: str
    y_title: str
    points: Sequence[Point]
    x_format: str | Callable[[float], str] = ",.0f"
    y_format: str = ".2f"
    is_of_shares: bool = False
    is_joined: bool = True
    gap: float = inf
    band: Sequence[Point] = ()
    goal: Point | None = None
    today: Point | None = None

    def svg(self) -> Markup:
        """Return the drawing; empty where there are fewer than two points."""
        drawn = [*self.points, *self.band]
        if len(drawn) < 2:
            return Markup("")
        xs = [point.x for point in (*drawn, *filter(None, [self.today]))]
        ys = [y for point in drawn for y in (point.y, *(point.interval or ()))] + ([self.goal.y] if self.goal else [])
        across, up = _Scale.of(xs, LEFT, WIDTH - RIGHT), _Scale.of(ys, HEIGHT - BOTTOM, TOP)
        if self.is_of_shares:
            across, up = _Scale(0.0, 1.0, LEFT, WIDTH - RIGHT), _Scale(0.0, 1.0, HEIGHT - BOTTOM, TOP)
        parts = [
            Markup(
                '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="xMidYMid meet">'
            ).format(WIDTH, HEIGHT, self.title)
        ]
        for tick in up.ticks():
            y = up.at(tick)
            parts.append(_path("grid", f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}"))
            parts.append(_text(LEFT - 8, y + 4, format(tick, self.y_format), "end"))
        places = ((across.at(tick), self._x_words(tick)) for tick in across.ticks())
        parts += [_text(x, HEIGHT - BOTTOM + 18, words, "middle") for x, words in places]
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, self.x_title, "middle"))
        parts.append(_text(LEFT, TOP - 2, self.y_title, "start"))
        if self.is_of_shares:
            parts.append(_path("grid", f"M{across.at(0)} {up.at(0)}L{across.at(1)} {up.at(1)}"))
        parts += self._behind(across, up)
        for point in self.points:
            if point.interval:
                x = across.at(point.x)
                parts.append(_path("interval", _through((x, up.at(end)) for end in point.interval)))
        if self.is_joined:
            lines = ([(across.at(point.x), up.at(point.y)) for point in line] for line in self._lines())
            parts += [_path("line", _through(line)) for line in lines]
        is_sparse = len(self.points) <= MOST_DOTS
        for point in sorted(self.points, key=lambda point: point.is_marked):
            if point.words and (is_sparse or point.is_marked):
                kind = "point marked" if point.is_marked else "point"
                parts.append(
                    Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
                        kind, across.at(point.x), up.at(point.y), 6 if point.is_marked else 4, point.words
                    )
                )
        return Markup("").join([*parts, Markup("</svg>")])

    def _lines(self) -> list[Sequence[Point]]:
        """Return the points of each line."""
        starts = [
            i for i, (one, next_one) in enumerate(pairwise(self.points), start=1) if next_one.x - one.x > self.gap
        ]
        return [self.points[start:end] for start, end in pairwise([0, *starts, len(self.points)]) if start < end]

    def _x_words(self, tick: float) -> str:
        return format(tick, self.x_format) if isinstance(self.x_format, str) else self.x_format(tick)

    def _behind(self, across: "_Scale", up: "_Scale") -> list[Markup]:
        """Return the band with its curve, and the lines of the goal and of today."""
        parts: list[Markup] = []
        if self.band:
            ends = [(across.at(each.x), each.interval or (each.y, each.y)) for each in self.band]
            lows, highs = [(x, up.at(low)) for x, (low, _) in ends], [(x, up.at(high)) for x, (_, high) in ends]
            parts.append(_path("band", _through([*lows, *reversed(highs)])))
            parts.append(_path("curve", _through((across.at(each.x), up.at(each.y)) for each in self.band)))
        if self.goal:
            y = up.at(self.goal.y)
            parts.append(_path("goal", _through([(LEFT, y), (WIDTH - RIGHT, y)])))
            parts.append(_text(WIDTH - RIGHT, y - 6, self.goal.words, "end"))
        if self.today:
            x = across.at(self.today.x)
            parts.append(_path("today", _through([(x, TOP), (x, HEIGHT - BOTTOM)])))
            parts.append(_text(x + 6, HEIGHT - BOTTOM - 8, self.today.words, "start"))
        return parts


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> "_Scale":
        low, high = min(values), max(values)
        margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        return cls(low - margin if low - margin >= 0 or low < 0 else 0.0, high + margin, start, end)

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round numbers within the scale."""
        rough = (self.high - self.low) / MOST_TICKS
        power = 10 ** floor(log10(rough))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
        first = -(-self.low // step)
        return [(first + i) * step for i in range(MOST_TICKS + 1) if (first + i) * step <= self.high]


def _path(kind: str, way: str) -> Markup:
    return Markup('<path class="{}" d="{}"/>').format(kind, way)


def _through(places: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _text(x: float, y: float, words: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, words)
