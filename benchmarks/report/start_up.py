"""The section on start-up and memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.markdown import paragraphs, spread_text, table
from benchmarks.report.plots import Draw, bars

__all__ = ["start_up"]


def start_up(figures: Mapping[str, Any]) -> tuple[str, Sequence[Draw]]:
    """Seconds to the first answers, and MiB."""
    ours, peer, ratios = figures["labelloop"], figures["peer"], figures["ratios"]
    rows = [
        ("`labelloop --help`, s", spread_text(figures["help_s"]), "", ""),
        _row("start to `/health`, s", ours["health_s"], peer["health_s"], ratios["health_s"]),
        _row(
            "start to the first prediction of a trained version, s",
            ours["first_prediction_s"],
            peer["first_prediction_s"],
            ratios["first_prediction_s"],
        ),
    ]
    for title, name in (("after the first prediction", "idle_mib"), ("after load", "loaded_mib")):
        for kind, told in (("pss", "proportional"), ("rss", "resident")):
            if kind in ours[name] and kind in peer[name]:
                rows.append(_row(f"{told} memory {title}, MiB", ours[name][kind], peer[name][kind], None))
    text = paragraphs(
        f"Files are in the system's cache; {figures['rounds']} starts of each server, in turns. Memory is that of all "
        "processes of the server: resident counts what two of them share twice, proportional once. Served by "
        f"`{figures['runtime']}`.",
        table(("", "labelloop", "peer", "ratio"), rows),
        "Of the packages that are slow to import or large, the server had imported by its end: "
        f"{_listed(ours['modules'])}; the peer: {_listed(peer['modules'])}.",
    )
    seconds = {
        who: [figures[who][name] for name in ("health_s", "first_prediction_s")] for who in ("labelloop", "peer")
    }
    kind = "pss" if "pss" in ours["idle_mib"] else "rss"
    memory = {who: [figures[who][name][kind] for name in ("idle_mib", "loaded_mib")] for who in ("labelloop", "peer")}
    return text, [
        bars(["/health", "first prediction"], seconds, "seconds from the start"),
        bars(["first prediction", "after load"], memory, "MiB"),
    ]


def _row(
    title: str, ours: Mapping[str, float], peer: Mapping[str, float], ratio: Mapping[str, float] | None
) -> tuple[str, str, str, str]:
    shown = spread_text(ratio) if ratio else f"{peer['median'] / ours['median']:.2f}"
    return title, spread_text(ours), spread_text(peer), f"**{shown}**"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
