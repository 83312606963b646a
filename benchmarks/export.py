"""How fast and in how much memory reviewed tasks become files.

    python -m benchmarks.export [--tasks 10000 1000000] [--peer-tasks 10000] [--formats rows csv ...] [--redact email]

Annotated tasks are generated (a text of some 170 characters, one choice, two entities), written as a JSON export of
Label Studio, and turned into each format by `labelloop export` in a process of its own. Seconds and memory are those of
the whole process, its start included; where the machine does other things as well, the processor's seconds say more.
Beside it, on the sizes that are asked for: the converter of label-studio-sdk, which Label Studio itself exports with.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FORMATS = ("rows", "openai-chat", "prompt-completion", "datasets", "csv", "spans", "conll", "label-studio")
PEER_FORMATS = ("JSON_MIN", "CSV", "CONLL2003")
LABELS = [f"topic {number}" for number in range(20)]
CONFIG = f"""<View>
  <Text name="text" value="$text"/>
  <Choices name="topic" toName="text">{"".join(f'<Choice value="{label}"/>' for label in LABELS)}</Choices>
  <Labels name="who" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
</View>"""
ENTITY_FORMATS = ("spans", "conll")
PEER = """
import sys
from label_studio_sdk.converter import Converter
config, source, target, name = sys.argv[1:]
Converter(config, None).convert(source, target, name, is_dir=False)
"""


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--peer-tasks", type=int, nargs="*", default=[10_000])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--redact", default="", help="as LABELLOOP_REDACT")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelloop-export-") as folder:
        for figures in measure(Path(folder), asked.tasks, asked.peer_tasks, asked.formats, asked.redact):
            print(json.dumps(figures), flush=True)


def measure(
    folder: Path, sizes: Sequence[int], peer_sizes: Sequence[int], formats: Sequence[str], redact: str
) -> Iterator[Mapping[str, Any]]:
    """Figures of one run after the other."""
    config = folder / "config.xml"
    config.write_text(CONFIG, encoding="utf-8")
    for tasks in sizes:
        source = folder / f"{tasks}.json"
        write_tasks(source, tasks)
        for name in formats:
            out = folder / f"out-{name}"
            yield run(("labelloop", name), tasks, _ours(source, config, name, out), out, redact)
        for name in PEER_FORMATS if tasks in peer_sizes else ():
            out = folder / f"peer-{name}"
            command = [sys.executable, "-c", PEER, str(config), str(source), str(out), name]
            yield run(("label-studio-sdk", name), tasks, command, out)
        source.unlink()


def write_tasks(path: Path, count: int) -> None:
    """A JSON export with this many annotated tasks."""
    with path.open("w", encoding="utf-8") as target:
        for number in range(1, count + 1):
            target.write(("[" if number == 1 else ",") + "\n" + json.dumps(_task(number)))
        target.write("\n]\n")


# Linux counts a parent's memory towards the peak of a child that it starts, so one that has next to none starts it.
MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(status)
"""


def run(what: tuple[str, str], tasks: int, command: Sequence[str], out: Path, redact: str = "") -> Mapping[str, Any]:
    """Seconds and peak memory of a process of this tool, for this format."""
    tool, name = what
    environment = os.environ | {"LABELLOOP_HOME": str(out.parent / "home"), "LABELLOOP_REDACT": redact}
    began_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began_s
    if done.returncode:
        raise SystemExit(f"{tool} {name}: {done.stderr[-2000:]}")
    cpu_s, peak_kib = map(float, done.stdout.split())
    written = sum(file.stat().st_size for file in ([out] if out.is_file() else out.rglob("*")) if file.is_file())
    for file in [out] if out.is_file() else sorted(out.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    return {
        "tool": tool,
        "format": name,
        "tasks": tasks,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_s, 2),
        "rows_per_second": round(tasks / seconds),
        "rows_per_cpu_second": round(tasks / cpu_s),
        "peak_mib": round(peak_kib / 1024),
        "written_mib": round(written / 2**20, 1),
    }


def _ours(source: Path, config: Path, name: str, out: Path) -> list[str]:
    control = "who" if name in ENTITY_FORMATS else "topic"
    command = ["export", "--studio-export", str(source), "--config", str(config), "--format", name, "--out", str(out)]
    one_control = name in ("openai-chat", "prompt-completion", *ENTITY_FORMATS)
    return [sys.executable, "-m", "ml_backend", *command, *(["--control", control] if one_control else [])]


def _task(number: int) -> Mapping[str, Any]:
    person, place = f"Person{number}", f"Town{number % 977}"
    text = (
        f"{person} from {place} wrote that order {number * 7919 % 999_983} has not arrived although the parcel service "
        f"says it was delivered on day {number % 365}; write to p{number}@example.org."
    )
    spans = [(0, len(person), "PER"), (len(person) + 6, len(person) + 6 + len(place), "LOC")]
    regions: list[Mapping[str, Any]] = [
        {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": [LABELS[number % 20]]}},
        *(
            {
                "from_name": "who",
                "to_name": "text",
                "type": "labels",
                "value": {"start": start, "end": end, "text": text[start:end], "labels": [label]},
            }
            for start, end, label in spans
        ),
    ]
    annotation = {
        "id": number,
        "completed_by": 1,
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time": 4.0,
        "created_at": "2026-11-20T18:33:14.690416Z",
        "updated_at": "2026-11-20T18:33:14.690455Z",
        "result": [{"id": f"r{number}-{place_of}", **region} for place_of, region in enumerate(regions)],
    }
    return {"id": number, "data": {"text": text}, "annotations": [annotation], "predictions": []}


if __name__ == "__main__":
    main()
