"""What 32 clients notice of a promotion every few seconds: failed requests, and the slowest of the others.

The champion moves back and forth between two trained versions, as a promotion moves it, and the server follows.
Phases with and without swaps take turns.
"""

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.predict_http import warm_up
from benchmarks.support.bench import Bench
from benchmarks.support.clients import Load, asking
from benchmarks.support.figures import in_turns, percentile, spread
from benchmarks.support.servers import labelloop_server

__all__ = ["measure"]

CLIENTS = 32
SWAP_EVERY_S = 4.0
ROUNDS, QUICK_ROUNDS = 5, 2
SECONDS, QUICK_SECONDS = 16.0, 9.0


def measure(bench: Bench) -> Mapping[str, Any]:
    """Failed requests and percentiles of the others, with swaps and without."""
    rounds, seconds = bench.pick(ROUNDS, QUICK_ROUNDS), bench.pick(SECONDS, QUICK_SECONDS)
    home = bench.home
    versions = [home.version, home.other_version]
    swaps: list[int] = []

    def phase(*, has_swaps: bool) -> dict[str, Any]:
        seed = bench.fresh_seed()
        load = Load(server.url, str(bench.pool), server.label_config, CLIENTS, 1, "short", seconds, seed)
        clients, end, count = asking(load), time.monotonic() + seconds, 0
        while has_swaps and time.monotonic() + SWAP_EVERY_S / 2 < end:
            time.sleep(SWAP_EVERY_S / 2 if count == 0 else SWAP_EVERY_S)
            versions.reverse()
            home.promote(versions[0])
            count += 1
        swaps.append(count)
        return clients.result()

    with labelloop_server(home, bench.folder) as server:
        warm_up(bench, server)
        calm, swapped = in_turns(rounds, lambda _: phase(has_swaps=False), lambda _: phase(has_swaps=True))
    return {
        "texts": bench.dataset.name,
        "runtime": bench.home.runtime,
        "clients": CLIENTS,
        "rounds": rounds,
        "seconds_per_phase": seconds,
        "swaps": sum(swaps),
        "versions_seen": max(len(each["versions"]) for each in swapped),
        "without": _summary(calm),
        "with": _summary(swapped),
        "p99_ratio": spread(
            [_ms(after, 0.99) / _ms(before, 0.99) for before, after in zip(calm, swapped, strict=True)], 2
        ),
    }


def _ms(found: Mapping[str, Any], share: float) -> float:
    return percentile(found["milliseconds"], share)


def _summary(phases: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "requests": sum(len(each["milliseconds"]) for each in phases),
        "failed": sum(each["failed"] for each in phases),
        "failures": [text for each in phases for text in each["failures"]][:3],
        "p50_ms": spread([_ms(each, 0.5) for each in phases], 2),
        "p95_ms": spread([_ms(each, 0.95) for each in phases], 2),
        "p99_ms": spread([_ms(each, 0.99) for each in phases], 2),
        "slowest_ms": spread([max(each["milliseconds"]) for each in phases], 2),
        "texts_per_s": spread([each["texts"] / each["wall_s"] for each in phases], 1),
    }
