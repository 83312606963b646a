"""`/predict` over HTTP: texts per second by batch, and what annotators wait when several ask at once, beside the peer.

Both servers run at the same time, one gunicorn process each with as many threads, and are asked in turns by a process
of clients that keep their connections open. No text comes twice, so no cache answers.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.support.bench import Bench
from benchmarks.support.clients import Load, asking
from benchmarks.support.figures import in_turns, percentile, spread
from benchmarks.support.servers import Server, labelloop_server, peer_server
from benchmarks.support.texts import KINDS

__all__ = ["CLIENTS", "latencies", "measure", "warm_up"]

BATCHES = (1, 8, 64)
CLIENTS = (1, 8, 32)
ROUNDS, QUICK_ROUNDS = 5, 2
BATCH_SECONDS, QUICK_BATCH_SECONDS = 1.5, 0.4
CLIENT_SECONDS, QUICK_CLIENT_SECONDS = 4.0, 1.0


def measure(bench: Bench) -> Mapping[str, Any]:
    """Throughput by kind and batch with one client, latencies by the number of clients with one task each."""
    rounds = bench.pick(ROUNDS, QUICK_ROUNDS)
    bench.home.version  # noqa: B018 (trained and promoted before a server looks for it)
    with labelloop_server(bench.home, bench.folder) as ours, peer_server(bench.home, bench.folder) as peer:
        versions = [warm_up(bench, server) for server in (ours, peer)]
        if versions[0] != [bench.home.version]:
            raise SystemExit(f"{versions[0]} answered; wanted {bench.home.version}")
        throughput = [
            _throughput(bench, ours, peer, kind=kind, batch=batch, rounds=rounds) for kind in KINDS for batch in BATCHES
        ]
        waits = [latencies(bench, ours, peer, clients, rounds) for clients in CLIENTS]
    return {
        "texts": bench.dataset.name,
        "runtime": bench.home.runtime,
        "rounds": rounds,
        "throughput": throughput,
        "latency": waits,
    }


def warm_up(bench: Bench, server: Server) -> list[str]:
    """Let a server load its model and see every kind of text; returns the versions that answered."""
    for kind in KINDS:
        found = asking(
            _load(bench, server, clients=1, batch=8, kind=kind, seconds=0.5, seed=bench.fresh_seed())
        ).result()
    return list(found["versions"])


def latencies(bench: Bench, ours: Server, peer: Server, clients: int, rounds: int) -> dict[str, Any]:
    """What so many annotators wait for one short task each, at both servers in turns."""
    seconds = bench.pick(CLIENT_SECONDS, QUICK_CLIENT_SECONDS)
    seeds = [bench.fresh_seed() for _ in range(rounds)]

    def asked(server: Server, number: int) -> dict[str, Any]:
        return _checked(
            asking(_load(bench, server, clients=clients, batch=1, kind="short", seconds=seconds, seed=seeds[number]))
        )

    found = in_turns(rounds, lambda number: asked(ours, number), lambda number: asked(peer, number))
    medians, slowest, rates = (
        [[of(each) for each in answers] for answers in found]
        for of in (
            lambda each: percentile(each["milliseconds"], 0.5),
            lambda each: percentile(each["milliseconds"], 0.95),
            lambda each: each["texts"] / each["wall_s"],
        )
    )
    return {
        "clients": clients,
        "requests": [sum(len(each["milliseconds"]) for each in answers) for answers in found],
        "failed": sum(each["failed"] for each in found[0]),
        "peer_failed": sum(each["failed"] for each in found[1]),
        "p50_ms": spread(medians[0], 2),
        "p95_ms": spread(slowest[0], 2),
        "texts_per_s": spread(rates[0], 1),
        "peer_p50_ms": spread(medians[1], 2),
        "peer_p95_ms": spread(slowest[1], 2),
        "peer_texts_per_s": spread(rates[1], 1),
        "p50_ratio": spread([theirs / mine for mine, theirs in zip(*medians, strict=True)], 2),
        "p95_ratio": spread([theirs / mine for mine, theirs in zip(*slowest, strict=True)], 2),
        "texts_per_s_ratio": spread([mine / theirs for mine, theirs in zip(*rates, strict=True)], 2),
    }


def _throughput(bench: Bench, ours: Server, peer: Server, *, kind: str, batch: int, rounds: int) -> dict[str, Any]:
    seconds = bench.pick(BATCH_SECONDS, QUICK_BATCH_SECONDS)
    seeds = [bench.fresh_seed() for _ in range(rounds)]

    def rate(server: Server, number: int) -> float:
        found = _checked(
            asking(_load(bench, server, clients=1, batch=batch, kind=kind, seconds=seconds, seed=seeds[number]))
        )
        # The time between two requests is the client's.
        return float(1000 * found["texts"] / sum(found["milliseconds"]))

    mine, theirs = in_turns(rounds, lambda number: rate(ours, number), lambda number: rate(peer, number))
    return {
        "kind": kind,
        "batch": batch,
        "texts_per_s": spread(mine, 1),
        "peer_texts_per_s": spread(theirs, 1),
        "ratio": spread([a / b for a, b in zip(mine, theirs, strict=True)], 2),
    }


def _load(bench: Bench, server: Server, **asked: Any) -> Load:
    return Load(server.url, str(bench.pool), server.label_config, **asked)


def _checked(clients: asking) -> dict[str, Any]:
    found = clients.result()
    if found["failed"]:
        raise SystemExit(f"{found['failed']} requests failed: {'; '.join(found['failures'])}")
    return found
