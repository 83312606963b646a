"""Show the demo: its story on standard output, its progress on standard error."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import rich.progress
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from ..domain.progress import Progress, ProgressCallback

__all__ = ["Display"]

UNLIMITED = 10_000
NEWS_INTERVAL_S = 10.0


class Display:
    """Progress as a bar on a terminal, as lines elsewhere.

    Args:
        tells_story: False where standard output is kept for JSON.
    """

    def __init__(self, *, tells_story: bool) -> None:
        self._tells_story = tells_story
        self._notes = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        # Into a file or a pipe, a table must not be cut at a terminal's width that does not exist.
        width = None if sys.stdout.isatty() else UNLIMITED
        self._story = Console(highlight=False, markup=False, width=width)

    def section(self, title: str, content: Iterable[RenderableType]) -> None:
        """Print one part of the story; a `Text` in it is a line that stays one, however long."""
        if not self._tells_story:
            return
        self._story.print(f"\n{title}", style="bold")
        for part in content:
            if isinstance(part, Text):
                self._story.print(Text("  ") + part, soft_wrap=True)
            else:
                self._story.print(Padding(part, (0, 0, 0, 2), expand=False))

    def note(self, text: str) -> None:
        """Print something that is not part of the story."""
        self._notes.print(text)

    @contextmanager
    def step(self, title: str) -> Iterator[ProgressCallback]:
        """Show that something is under way, and how long it took."""
        started_s = time.monotonic()
        with self._bar(title) if self._notes.is_terminal else self._lines(title) as advance:
            yield advance
        self._notes.print(f"{title}: done in {time.monotonic() - started_s:.0f} s")

    @contextmanager
    def _bar(self, title: str) -> Iterator[ProgressCallback]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.fields[news]}"),
        )
        with rich.progress.Progress(*columns, console=self._notes, transient=True) as bar:
            # Without a total the bar pulses, which is all that can be said before the first figure.
            task = bar.add_task(title, total=None, news="")

            def advance(progress: Progress) -> None:
                bar.update(task, total=1.0, completed=progress.fraction, news=_news(progress))

            yield advance

    @contextmanager
    def _lines(self, title: str) -> Iterator[ProgressCallback]:
        self._notes.print(f"{title} ...")
        last_s, last_line = time.monotonic(), ""

        def advance(progress: Progress) -> None:
            nonlocal last_s, last_line
            line = f"  {progress.fraction:4.0%}  {_news(progress)}"
            if line != last_line and time.monotonic() - last_s >= NEWS_INTERVAL_S:
                last_s, last_line = time.monotonic(), line
                self._notes.print(line)

        yield advance


def _news(progress: Progress) -> str:
    return f"{progress.stage}: {progress.message}" if progress.message else progress.stage
