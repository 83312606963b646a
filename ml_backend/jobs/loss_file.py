"""The course of a job's loss, for whoever watches: a file beside the job's log, written while it runs."""

import json
from itertools import islice
from pathlib import Path

__all__ = ["LossFile"]

MOST_BYTES = 2_000_000


class LossFile:
    """Lines of the progress, from 0 to 1, and the loss at that moment.

    Args:
        folder: the job's folder, beside which the file lies.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder.with_name(f"{folder.name}.loss.jsonl")

    def add(self, fraction: float, loss: float) -> None:
        """Append a point; once the file is very long, no more."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="ascii") as stream:
            if stream.tell() < MOST_BYTES:
                stream.write(json.dumps([round(fraction, 5), loss]) + "\n")

    def points(self, most: int) -> list[tuple[float, float]]:
        """Return at most so many points, evenly spread over all; none where the job ran on another machine.

        A resumed job goes over a part of its way again: the newest points count.
        """
        try:
            lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        points: list[tuple[float, float]] = []
        for line in lines:
            point = _point(line)
            if point is None:
                continue  # half written
            while points and points[-1][0] > point[0]:
                points.pop()
            points.append(point)
        step = max(-(-len(points) // most), 1)
        return [*islice(points, 0, None, step)]


def _point(line: str) -> tuple[float, float] | None:
    try:
        fraction, loss = json.loads(line)
        return float(fraction), float(loss)
    except (ValueError, TypeError):
        return None
