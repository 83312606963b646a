"""What annotators wait while a training job runs on the same cores, beside the peer.

The job is a real one on the whole training file, launched by the worker of `labelloop serve`, and it runs while either
server is asked. Both wait for one short task per request.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.predict_http import CLIENTS, latencies, warm_up
from benchmarks.support.bench import Bench
from benchmarks.support.servers import labelloop_server, peer_server

__all__ = ["measure"]

ROUNDS, QUICK_ROUNDS = 5, 2


def measure(bench: Bench) -> Mapping[str, Any]:
    """Latencies by the number of clients, without the job and with it."""
    rounds = bench.pick(ROUNDS, QUICK_ROUNDS)
    bench.home.version  # noqa: B018 (trained and promoted before a server looks for it)
    with labelloop_server(bench.home, bench.folder) as ours, peer_server(bench.home, bench.folder) as peer:
        for server in (ours, peer):
            warm_up(bench, server)
        idle = [latencies(bench, ours, peer, clients, rounds) for clients in CLIENTS]
        busy = []
        with bench.home.training_beside() as job:
            for clients in CLIENTS:
                job.ensure()
                busy.append(latencies(bench, ours, peer, clients, rounds))
            job.ensure()
    return {
        "texts": bench.dataset.name,
        "runtime": bench.home.runtime,
        "rounds": rounds,
        "stages": job.stages,
        "idle": idle,
        "training": busy,
    }
