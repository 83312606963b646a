"""Runs the benchmarks of speed and renders docs/benchmarks.md from their results; `scripts/bench` calls it."""

import argparse
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.page import render
from benchmarks.support.bench import Bench, Skipped
from benchmarks.support.machine import REPOSITORY, described, load_before

__all__ = ["BENCHMARKS", "main"]

BENCHMARKS = {
    "engine": "predictions in process, by runtime, and their share of the machine's peak",
    "predict_http": "/predict over HTTP: throughput by batch, latency with 1, 8 and 32 annotators",
    "beside_training": "what annotators wait while a training job runs",
    "hot_swap": "what clients notice of promotions",
    "accuracy": "whether serving answers as the trained model does (Banking77 alone)",
    "start_up": "--help, /health, first prediction, memory",
    "training_time": "seconds to a macro-F1 (Banking77 alone)",
    "growth": "time and memory over 1,000 to 100,000 tasks",
}
RESULTS = REPOSITORY / "benchmarks" / "results"
PAGE = REPOSITORY / "docs" / "benchmarks.md"
QUICK_FOLDER = REPOSITORY / "artifacts" / "bench"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for and render the page; 1 where a benchmark failed."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    # argparse does not allow choices where none need be given.
    if wrong := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {wrong[0]!r}; there are {', '.join(BENCHMARKS)}")
    results, page = (QUICK_FOLDER / "results", QUICK_FOLDER / "benchmarks.md") if asked.quick else (RESULTS, PAGE)
    failed = []
    if not asked.render:
        with tempfile.TemporaryDirectory(prefix="labelloop-bench-") as folder:
            bench = Bench(Path(folder), asked.data, is_quick=asked.quick, is_large=asked.large)
            failed = [name for name in asked.names or BENCHMARKS if not _measured(name, bench, results)]
    render(results, page)
    print(f"rendered {page.relative_to(REPOSITORY)}", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _measured(name: str, bench: Bench, results: Path) -> bool:
    """Run one benchmark and write its result; False where it failed, and then the result stays as it was."""
    print(f"== {name}: {BENCHMARKS[name]}", file=sys.stderr, flush=True)
    load, began = load_before(), time.monotonic()
    try:
        figures = importlib.import_module(f"benchmarks.{name}").measure(bench)
    except Skipped as reason:
        print(f"{name} is left out: {reason}", file=sys.stderr)
        return True
    except (Exception, SystemExit):
        # The outermost frame of one benchmark: the others are worth running all the same.
        traceback.print_exc()
        return False
    document = {
        "benchmark": name,
        "is_quick": bench.is_quick,
        "machine": described(load, is_quick=bench.is_quick),
        "took_s": round(time.monotonic() - began),
        "figures": figures,
    }
    results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (results / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}: {document['took_s']} s", file=sys.stderr, flush=True)
    return True


def _parser() -> argparse.ArgumentParser:
    told = "\n".join(f"  {name:16} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures speed beside the peer and renders docs/benchmarks.md.",
        epilog=f"benchmarks:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="BENCHMARK", help="default: all")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ["BANKING77"]) if os.environ.get("BANKING77") else None,
        help="folder of Banking77's train.csv and test.csv; default: BANKING77, or the tickets of the demo",
    )
    parser.add_argument("--quick", action="store_true", help="a few minutes in all; results go to artifacts/bench")
    parser.add_argument("--large", action="store_true", help="also push 100,000 pre-labels into Label Studio")
    parser.add_argument("--render", action="store_true", help="measure nothing; render the page from the results")
    return parser


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Being ended must end the servers as well, which a signal's default does not wait for.
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("ended early; what was measured is kept, and --render makes a page of it", file=sys.stderr)
        sys.exit(130)
