"""Sections on predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.markdown import number, paragraphs, spread_text, table
from benchmarks.report.plots import Draw, bars

__all__ = ["accuracy", "beside_training", "engine", "hot_swap", "predict_http"]

Written = tuple[str, Sequence[Draw]]
LIMIT_MS = 300.0


def engine(figures: Mapping[str, Any]) -> Written:
    """Texts per second by runtime, ratios to the peer, and shares of the peak."""
    cells = figures["cells"]
    columns = list(dict.fromkeys((cell["kind"], cell["batch"]) for cell in cells))
    runtimes = list(dict.fromkeys(cell["runtime"] for cell in cells))
    of = {(cell["runtime"], cell["kind"], cell["batch"]): cell for cell in cells}
    header = ["", *(_asked(kind, batch) for kind, batch in columns)]
    ratios = [
        [f"`{name}`", *(spread_text(of[name, *column]["ratio"]) for column in columns)]
        for name in runtimes
        if name != "peer"
    ]
    rates = [[f"`{name}`", *(spread_text(of[name, *column]["texts_per_s"]) for column in columns)] for name in runtimes]
    mflop = figures["mflop_per_text"]
    gflops = {
        (name, *column): of[name, *column]["texts_per_s"]["median"] * mflop[column[0]] / 1000
        for name in runtimes
        for column in columns
    }
    peaks = figures["peak_gflops"]
    shares = [[f"`{name}`", *(_shares(gflops[name, *column], peaks) for column in columns)] for name in runtimes]
    tokens = figures["tokens_per_text"]
    text = paragraphs(
        f"The version that `labelloop serve` would serve (LoRA, trained on {figures['texts']}), asked in process by "
        f"each runtime, and the peer's pipeline, all in turns: {figures['rounds']} rounds of "
        f"{figures['seconds_per_round']:g} s per cell. Short texts have {tokens['short']:g} tokens on average, long "
        f"ones {tokens['long']:g}. How many times as fast as the peer:",
        table(header, ratios),
        "Texts per second:",
        table(header, rates),
        f"What the model's layers compute, in GFLOP/s (linear layers and attention, no padding: a short text takes "
        f"{mflop['short']:,.0f} MFLOP, a long one {mflop['long']:,.0f}), and in parentheses its share of the highest "
        f"rates of matrix products that were measured before and after: {_told_peaks(peaks)}, in this order. "
        "Tokenizing and all else count as time.",
        table(header, shares),
    )
    groups = [_asked(kind, batch).replace(" ", "\n", 1) for kind, batch in columns]
    ratio_series = {name: [of[name, *column]["ratio"] for column in columns] for name in runtimes if name != "peer"}
    long = [column for column in columns if column[0] == "long"]
    share_series = {name: [_point(100 * gflops[name, *column] / peaks["bf16"]) for column in long] for name in runtimes}
    long_groups = [_asked(kind, batch).replace(" ", "\n", 1) for kind, batch in long]
    return text, [
        bars(groups, ratio_series, "times as fast as the peer"),
        bars(long_groups, share_series, "% of the bf16 peak"),
    ]


def predict_http(figures: Mapping[str, Any]) -> Written:
    """Throughput by batch, and latency by clients."""
    cells, waits = figures["throughput"], figures["latency"]
    throughput = table(
        ("tasks per request", "labelloop, texts per second", "peer", "ratio"),
        (
            (
                _asked(cell["kind"], cell["batch"]),
                spread_text(cell["texts_per_s"]),
                spread_text(cell["peer_texts_per_s"]),
                f"**{spread_text(cell['ratio'])}**",
            )
            for cell in cells
        ),
    )
    text = paragraphs(
        f"One `labelloop serve`, which chose `{figures['runtime']}` for this machine, and one server of the peer, "
        "asked in turns by another process that keeps its connections open; "
        f"{figures['rounds']} rounds. Requests and answers are what Label Studio sends and gets. One "
        "client, one request after the other:",
        throughput,
        "Annotators at once, each asking for one short task as soon as the last one is answered:",
        _latency_table(waits),
        _failures(waits),
    )
    groups = [_asked(cell["kind"], cell["batch"]).replace(" ", "\n", 1) for cell in cells]
    rates = {
        "labelloop": [cell["texts_per_s"] for cell in cells],
        "peer": [cell["peer_texts_per_s"] for cell in cells],
    }
    return text, [bars(groups, rates, "texts per second", is_log=True), _latency_plot(waits)]


def beside_training(figures: Mapping[str, Any]) -> Written:
    """Latency with a training job beside it."""
    waits, idle = figures["training"], figures["idle"]
    stages = " and ".join(figures["stages"])
    rows = (
        (
            str(busy["clients"]),
            *(spread_text(wait[name]) for name in ("p95_ms", "peer_p95_ms") for wait in (calm, busy)),
        )
        for calm, busy in zip(idle, waits, strict=True)
    )
    text = paragraphs(
        "A real training job on the whole training file, started as the worker of `labelloop serve` starts every job, "
        f"runs on the same cores (seen in its stages {stages}), while annotators ask for one short task each; "
        f"{figures['rounds']} rounds. Served by `{figures['runtime']}`.",
        _latency_table(waits),
        "The 95th percentiles in milliseconds beside those that the same two servers had just before it:",
        table(("annotators", "labelloop, idle", "training", "peer, idle", "training"), rows),
        _failures(waits),
    )
    return text, [_latency_plot(waits, marks={f"{LIMIT_MS:g} ms": LIMIT_MS})]


def hot_swap(figures: Mapping[str, Any]) -> Written:
    """Percentiles with promotions and without."""
    ways = {"without promotions": figures["without"], "with promotions": figures["with"]}
    names = {"p50_ms": "median", "p95_ms": "95th percentile", "p99_ms": "99th percentile", "slowest_ms": "slowest"}
    rows = (
        (
            name,
            f"{found['requests']:,}",
            f"**{found['failed']}**",
            *(spread_text(found[each]) for each in names),
            spread_text(found["texts_per_s"]),
        )
        for name, found in ways.items()
    )
    text = paragraphs(
        f"{figures['clients']} clients ask for one short task each without a pause, in phases of "
        f"{figures['seconds_per_phase']:g} s. In every other phase the champion changes every four seconds, "
        f"{figures['swaps']} times in all, back and forth between two trained versions; {figures['versions_seen']} "
        f"versions were seen in answers within a phase. Served by `{figures['runtime']}`. Milliseconds:",
        table(("", "requests", "failed", *names.values(), "texts per second"), rows),
        f"The 99th percentile with promotions is {spread_text(figures['p99_ratio'])} times that without.",
    )
    groups = [title.replace(" ", "\n") for title in names.values()]
    series = {name: [found[each] for each in names] for name, found in ways.items()}
    return text, [bars(groups, series, "milliseconds")]


def accuracy(figures: Mapping[str, Any]) -> Written:
    """Accuracy by runtime."""
    ways = figures["ways"]
    rows = (
        (
            "eager torch, fp32" if way["runtime"] == "eager" else f"`{way['runtime']}`",
            f"{100 * way['accuracy']:.2f}%",
            f"{way['points']:+.2f}",
            f"{100 * way['agreement']:.2f}%",
        )
        for way in ways
    )
    text = (
        f"A version of LoRA on ten rows a class of {figures['texts']}, asked about {figures['rows']:,} texts of the "
        "official test file: by its model in eager torch in fp32, nothing of serving in between, and as it is served "
        "by each runtime.\n\n" + table(("", "accuracy", "difference in points", "same answer as eager torch"), rows)
    )
    served = [way for way in ways if way["runtime"] != "eager"]
    differences = {"difference": [_point(way["points"]) for way in served]}
    marks = {"0.3 points": 0.3, "-0.3 points": -0.3}
    names = [way["runtime"] for way in served]
    return text, [bars(names, differences, "points of accuracy", marks=marks)]


def _latency_table(waits: Sequence[Mapping[str, Any]]) -> str:
    header = ("annotators", "", "median, ms", "95th percentile, ms", "texts per second")
    rows = []
    for wait in waits:
        names = ("p50_ms", "p95_ms", "texts_per_s")
        ours = [spread_text(wait[name]) for name in names]
        peers = [spread_text(wait[f"peer_{name}"]) for name in names]
        ratios = [f"**{spread_text(wait[f'{name}_ratio'])}**" for name in ("p50", "p95", "texts_per_s")]
        rows += [(str(wait["clients"]), "labelloop", *ours), ("", "peer", *peers), ("", "ratio", *ratios)]
    return table(header, rows)


def _failures(waits: Sequence[Mapping[str, Any]]) -> str:
    failed, peer_failed = (sum(wait[name] for wait in waits) for name in ("failed", "peer_failed"))
    return f"Failed requests: {failed} of labelloop, {peer_failed} of the peer."


def _latency_plot(waits: Sequence[Mapping[str, Any]], marks: Mapping[str, float] | None = None) -> Draw:
    groups = [f"{wait['clients']}" for wait in waits]
    series = {"labelloop": [wait["p95_ms"] for wait in waits], "peer": [wait["peer_p95_ms"] for wait in waits]}
    return bars(groups, series, "95th percentile, ms", across="annotators at once", is_log=True, marks=marks)


def _asked(kind: str, batch: int) -> str:
    return f"{batch} {kind}"


def _shares(gflops: float, peaks: Mapping[str, float]) -> str:
    return f"{number(gflops)} ({' / '.join(f'{100 * gflops / peak:.0f}%' for peak in peaks.values())})"


def _told_peaks(peaks: Mapping[str, float]) -> str:
    return ", ".join(f"{peak:,} GFLOP/s in {name}" for name, peak in peaks.items())


def _point(value: float) -> dict[str, float]:
    return {"median": value, "low": value, "high": value}
