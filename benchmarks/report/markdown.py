"""Tables and figures in Markdown."""

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["number", "paragraphs", "spread_text", "table"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; without rows a sentence that says so."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    if not body:
        return "No figures."
    return "\n".join([f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}", *body])


def paragraphs(*parts: str) -> str:
    """The parts with an empty line between each two."""
    return "\n\n".join(parts)


def number(value: float) -> str:
    """Three significant digits, and all of a large one's."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 2 if abs(value) < 1 else 1 if abs(value) >= 10 else 2
    if abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.{digits}f}"


def spread_text(spread: Mapping[str, float], unit: str = "") -> str:
    """A median with its range, such as `4.51 (4.32 to 4.77)`."""
    median, low, high = (number(spread[name]) for name in ("median", "low", "high"))
    shown = f"{median}{unit}"
    return shown if low == median == high else f"{shown} ({low} to {high})"
