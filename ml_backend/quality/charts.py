"""Pictures of an audit as SVG, drawn without a library: they are text, scale, and need nothing from elsewhere."""

import math
from collections import Counter
from collections.abc import Sequence
from html import escape

from ..domain.quality import Audit, ClassNoise, ClassPair, IssueKind

__all__ = ["noise_chart", "pairs_chart", "quality_chart"]

BINS = 20
SHOWN_CLASSES = 20
MATRIX_CLASSES = 12
NAME_CHARACTERS = 34

TEXT, SOFT, LINE, EMPTY = "#1d2430", "#5c6675", "#e3e7ec", "#f4f6f8"
CALM, SUSPECT, MISSED = "#a9bbd6", "#c2553a", "#e3b04b"


def quality_chart(audit: Audit) -> str:
    """How many labels have which quality; those flagged as label errors in another colour."""
    flagged_tasks = {issue.task_id for issue in audit.issues if issue.kind is IssueKind.LABEL_ERROR}
    lowest = audit.quality
    every = Counter(_bin(quality) for quality in lowest.values())
    flagged = Counter(_bin(lowest[task]) for task in flagged_tasks if task in lowest)
    width, height, left, top = 820, 200, 58, 12
    # Nearly all labels are right: on an even scale theirs would be the only bar to be seen.
    decades = max(math.ceil(math.log10(max(every.values(), default=1))), 1)
    step, floor = (width - left - 10) / BINS, top + height

    def tall(count: float) -> float:
        return height * (0.06 + 0.94 * math.log10(count) / decades)

    parts = []
    for count in (10**decade for decade in range(decades + 1)):
        y = floor - tall(count)
        parts += [_line((left, y), (width - 10, y)), _word((left - 8, y + 4), f"{count:,}", anchor="end")]
    for place in range(BINS):
        for count, colour, what in ((every[place], CALM, "labels"), (flagged[place], SUSPECT, "flagged")):
            if count:
                title = f"{place / BINS:.2f} to {(place + 1) / BINS:.2f}: {count:,} {what}"
                corner = (left + place * step + 1.5, floor - tall(count))
                parts.append(_box(corner, (step - 3, tall(count)), colour, title))
    parts.append(_line((left, floor), (width - 10, floor), SOFT))
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_word((left + share * step * BINS, floor + 18), f"{share:g}", anchor="middle"))
    caption = "quality of the label, low is suspect (the number of labels on a logarithmic scale)"
    parts.append(_word((left + step * BINS / 2, floor + 38), caption, anchor="middle"))
    return _svg(width, floor + 44, "Labels by their quality", parts)


def noise_chart(classes: Sequence[ClassNoise]) -> str:
    """The noisiest classes: labels of theirs that look wrong, and labels of other classes that look like theirs."""
    noisy = sorted((one for one in classes if one.suspects + one.missed), key=lambda one: -(one.suspects + one.missed))
    shown = noisy[:SHOWN_CLASSES]
    most = max((one.suspects + one.missed for one in shown), default=1)
    width, row, left = 820, 24, 260
    scale = (width - left - 70) / most
    parts = []
    for index, one in enumerate(shown):
        y, suspects, missed = 6 + index * row, one.suspects * scale, one.missed * scale
        parts += [
            _word((left - 10, y + 13), _cut(one.label), anchor="end", colour=TEXT, title=one.label),
            _box((left, y), (suspects, row - 8), SUSPECT, f"{one.suspects} of {one.rows} labels look wrong"),
            _box((left + suspects, y), (missed, row - 8), MISSED, f"{one.missed} other labels look like this one"),
            _word((left + suspects + missed + 8, y + 13), f"{one.suspects} + {one.missed}"),
        ]
    return _svg(width, 12 + row * len(shown), "Noise per class", parts)


def pairs_chart(pairs: Sequence[ClassPair]) -> str:
    """Given labels in rows against suggested ones in columns, for the classes that are mixed up the most."""
    counts = {(pair.given, pair.suggested): pair.rows for pair in pairs if pair.rows}
    often = sorted(counts, key=lambda pair: -counts[pair])
    shown = list(dict.fromkeys(label for pair in often for label in pair))[:MATRIX_CLASSES]
    most = max((counts.get((a, b), 0) for a in shown for b in shown), default=0) or 1
    cell, left, top = 36, 260, 190
    parts = []
    for index, label in enumerate(shown):
        middle = index * cell + cell / 2
        parts += [
            _word((left - 10, top + middle + 4), _cut(label), anchor="end", colour=TEXT, title=label),
            _word((left + middle, top - 8), _cut(label), colour=TEXT, title=label, degrees=-50),
        ]
        for other, name in enumerate(shown):
            count = counts.get((label, name), 0)
            corner = (left + other * cell + 1, top + index * cell + 1)
            parts.append(_cell(corner, cell - 2, count, count / most, f"{count} labeled {label} look like {name}"))
    size = cell * len(shown)
    return _svg(left + size + 150, top + size + 8, "Given labels (rows) against suggested ones (columns)", parts)


def _cell(corner: tuple[float, float], side: float, count: int, share: float, title: str) -> str:
    if not count:
        return _box(corner, (side, side), EMPTY, title)
    middle = (corner[0] + side / 2, corner[1] + side / 2 + 4)
    word = _word(middle, str(count), anchor="middle", colour="#fff" if share > 0.65 else TEXT)
    return _box(corner, (side, side), SUSPECT, title, opacity=0.15 + 0.85 * share) + word


def _bin(quality: float) -> int:
    return min(int(quality * BINS), BINS - 1)


def _cut(label: str) -> str:
    return label if len(label) <= NAME_CHARACTERS else label[: NAME_CHARACTERS - 1] + "…"


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'role="img" aria-label="{escape(title)}" font-size="12">{"".join(parts)}</svg>'
    )


def _box(corner: tuple[float, float], size: tuple[float, float], fill: str, title: str, *, opacity: float = 1.0) -> str:
    (x, y), (width, height) = corner, size
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{fill}" '
        f'fill-opacity="{opacity:.2f}"><title>{escape(title)}</title></rect>'
    )


def _line(start: tuple[float, float], end: tuple[float, float], colour: str = LINE) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _word(
    place: tuple[float, float],
    text: str,
    *,
    anchor: str = "start",
    colour: str = SOFT,
    title: str | None = None,
    degrees: int = 0,
) -> str:
    x, y = place
    turned = f' transform="rotate({degrees} {x:.1f} {y:.1f})"' if degrees else ""
    more = "" if title is None else f"<title>{escape(title)}</title>"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{turned}>{more}{escape(text)}</text>'
