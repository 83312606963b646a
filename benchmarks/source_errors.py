"""How many wrong labels the tab "Source and expert differ" finds in Banking77, beside the audit of labels alone.

    python -m benchmarks.source_errors --data BANKING77 --folder FOLDER [--noise .05] [--seeds 1 2 3] [--per-class 0 10]

The rationales are those of `benchmarks/banking77_sources`. Of the labels in the train file, all of them (0 per class)
or some drawn at random, a share is swapped to the class that a regression confuses the right one with most. They are
then read as `labelloop sources check --push` reads labels: split by their texts, and marked in the train split alone.
The audit is `labelloop audit` (out of fold, frozen features). Errors of the file itself count as false alarms. A right
rationale covers a row where it votes for the class that the label had before.

Three lists, none with more than 300 rows: what the audit flags, the most suspicious first; where the sources differ
from people, by the sources' confidence alone; and the tab, where the audit's opinion counts as well. Vectors stay in
the folder.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.banking77_export import label_config, studio_export
from benchmarks.label_errors import Bench, Noise, most_confused, predicted_by, prepared
from benchmarks.sources import SOURCES, drawn
from ml_backend.arrays import Bools, Ints
from ml_backend.bootstrap import build_services
from ml_backend.domain.snapshot import Split
from ml_backend.options import Options
from ml_backend.quality.label_errors import label_errors
from ml_backend.workflows.services import Services
from ml_backend.workflows.sourcing.differences import source_differences
from ml_backend.workflows.sourcing.read import AskedFiles, ReadTexts, read_texts

FIGURES = ("rows", "wrong", "found", "found, rationale right")


def main() -> None:
    """Print a table per number of labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--folder", type=Path, required=True, help="where vectors lie, or will")
    parser.add_argument("--noise", type=float, default=0.05, help="share of wrong labels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--per-class", type=int, nargs="+", default=[0, 10], help="0: all labels")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    bench = prepared(asked.data, asked.folder / "all")
    noise = Noise("confusable", asked.noise, most_confused(bench))
    with closing(build_services(Options(home=asked.folder / "home"))) as services:
        for per_class in asked.per_class:
            measured = [_measured(services, _part(bench, per_class, seed), noise, seed) for seed in asked.seeds]
            _print(f"{per_class or 'all'} labels per class", measured)


def _part(bench: Bench, per_class: int, seed: int) -> Bench:
    """So many rows of each class; all of them for 0."""
    if not per_class:
        return bench
    chosen = drawn(bench.truth, per_class, seed)
    rows = [bench.rows[i] for i in chosen.tolist()]
    cache = bench.cache.with_name(f"{per_class}-{seed}")
    return replace(bench, rows=rows, truth=bench.truth[chosen], features=bench.features[chosen], cache=cache)


def _measured(services: Services, bench: Bench, noise: Noise, seed: int) -> dict[str, list[float]]:
    """The figures of each list with these wrong labels."""
    given = noise.wrong_labels(bench.truth, seed)
    read = _read(services, bench, given)
    train, is_wrong = read.in_split(Split.TRAIN), given != bench.truth
    (control,) = read.controls
    votes = control.votes_on
    covered = np.zeros(len(given), dtype=np.bool_)
    covered[votes.row[votes.label == bench.truth[votes.row]]] = True
    audit = label_errors(given, predicted_by(bench, given, deep=False))
    flagged = np.flatnonzero(audit.is_error & train)
    quality = {control.asked.name: dict(zip(read.task_ids, audit.quality.tolist(), strict=True))}
    options = services.options.feedback
    lists = {
        "audit": flagged[np.argsort(audit.quality[flagged], kind="stable")],
        "sources": _listed(read, None, options.flag_precision_floor),
        "sources and audit": _listed(read, quality, options.flag_precision_floor),
    }
    wrong = is_wrong & train
    return {name: _figures(rows[: options.push_flags_at_most], wrong, covered) for name, rows in lists.items()}


def _read(services: Services, bench: Bench, given: Ints) -> ReadTexts:
    export = services.options.home / "export.json"
    tasks = studio_export((row.text, bench.labels[k]) for row, k in zip(bench.rows, given.tolist(), strict=True))
    export.write_text(json.dumps(tasks), encoding="utf-8")
    read = read_texts(services, SOURCES, AskedFiles(export, label_config(bench.labels)))
    if len(read.rows) != len(bench.rows) or read.faults:
        raise SystemExit(f"{len(bench.rows)} rows wanted, {len(read.rows)} found; faults: {read.faults}")
    return read


def _listed(read: ReadTexts, quality: Mapping[str, Mapping[int, float]] | None, floor: float) -> Ints:
    """Numbers of the rows in the tab, in its order."""
    found = [each.task_id for each in source_differences(read, quality) if each.confidence >= floor]
    places = {task_id: row for row, task_id in enumerate(read.task_ids)}
    return np.array([places[task_id] for task_id in found], dtype=np.int64)


def _figures(rows: Ints, wrong: Bools, covered: Bools) -> list[float]:
    """The figures of `FIGURES`."""
    return [
        len(rows),
        float(wrong[rows].mean()),
        float(wrong[rows].sum() / wrong.sum()),
        float((wrong & covered)[rows].sum() / (wrong & covered).sum()),
    ]


def _print(title: str, measured: Sequence[Mapping[str, list[float]]]) -> None:
    print(f"\n{title}, means of {len(measured)} seeds\n\n| list | {' | '.join(FIGURES)} |\n|{' --- |' * 5}")
    for name in measured[0]:
        rows, *shares = (statistics.mean(values) for values in zip(*(each[name] for each in measured), strict=True))
        print(f"| {name} | {rows:.0f} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()
