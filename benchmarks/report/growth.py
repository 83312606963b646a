"""The section on growth."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.markdown import number, paragraphs, table
from benchmarks.report.plots import Draw, lines

__all__ = ["growth"]

STEPS = {
    "export": "`labelloop export --format rows`",
    "snapshot": "`labelloop export`, a snapshot",
    "predict": "`labelloop predict`",
    "prelabel": "`labelloop prelabel`",
}
PEERS = {
    "export": "JSON_MIN by label-studio-sdk",
    "predict": "the peer's pipeline, its start not counted",
    "prelabel": "one call per prediction, computed already",
}


def growth(figures: Mapping[str, Any]) -> tuple[str, Sequence[Draw]]:
    """Seconds, rates and memory by step and size."""
    found = figures["figures"]
    rows = []
    for step in STEPS:
        for mine in (each for each in found if each["step"] == step and each["tool"] == "labelloop"):
            peer = next(
                (
                    each
                    for each in found
                    if each["step"] == step and each["tool"] != "labelloop" and each["tasks"] == mine["tasks"]
                ),
                None,
            )
            rows.append(_row(step, mine, peer))
    text = paragraphs(
        f"Tasks with texts like those of {figures['texts']}, one answer each. Every row is a command in a "
        "process of its own, start and end included, measured once; memory is the most that the process or one that it "
        "started held. `prelabel` pushes into a real Label Studio on the same machine, whose project grows from row to "
        "row: the rate is that of the tasks new to it.",
        table(("", "tasks", "seconds", "processor s", "peak MiB", "rows per second", "peer", "ratio"), rows),
        "The peers: " + "; ".join(f"for `{step}` {told}" for step, told in PEERS.items()) + ".",
    )
    seconds, memory = (
        {
            step: points
            for step in STEPS
            if (
                points := [
                    (each["tasks"], each[name])
                    for each in found
                    if each["step"] == step and each["tool"] == "labelloop" and name in each
                ]
            )
        }
        for name in ("seconds", "peak_mib")
    )
    return text, [lines(seconds, "tasks", "seconds"), lines(memory, "tasks", "peak MiB")]


def _row(step: str, mine: Mapping[str, Any], peer: Mapping[str, Any] | None) -> tuple[str, ...]:
    if "missing" in mine:
        return STEPS[step], f"{mine['tasks']:,}", f"not measured: {mine['missing']}", "", "", "", "", ""
    rate = f"{number(peer['rows_per_s'])} per second" if peer else ""
    ratio = f"**{mine['rows_per_s'] / peer['rows_per_s']:.2f}**" if peer else ""
    shown = (f"{mine['tasks']:,}", number(mine["seconds"]), number(mine["cpu_s"]), f"{mine['peak_mib']:,}")
    return STEPS[step], *shown, f"{mine['rows_per_s']:,.0f}", rate, ratio
