"""Quality with 5 and 10 rows per class: the published few-shot splits of Banking77, beside SetFit on the same rows.

    python -m benchmarks.few_rows --data BANKING77 [--seeds 1 2 3] [--files train_5 train_10] [--peer-python PYTHON]

The folder holds `train_5.csv`, `train_10.csv` and `test.csv` with columns `text,category`, the splits that the few-shot
literature reports on (Zhang et al. 2021, "Few-Shot Intent Detection via Contrastive Pre-Training and Fine-Tuning",
CPFT: accuracy .8086 and .8720 with 110 million parameters). All rows are trained on, none is held out; the seed changes
the training and never the rows. labelloop trains with default settings. `--peer-python` is an interpreter of an
environment that has setfit; its training starts from the same base model. Both have one thread. Each result is shown
when it is there.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.support.setfit_peer import FewRows
from benchmarks.support.texts import Pair, read_pairs
from benchmarks.support.trained import labeled, trained
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.models.base.packaged import DEFAULT_BASE_MODEL, packaged_folder

CONTROL = "intent"
COLUMNS = "{:<10} {:<10} {:>5} {:>9} {:>9} {:>9} {:>12}"


def main() -> None:
    """Train and score every file with every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--files", nargs="+", default=["train_5", "train_10"])
    parser.add_argument("--peer-python", help="interpreter that has setfit; without it labelloop is trained alone")
    asked = parser.parse_args()
    test = list(read_pairs(asked.data / "test.csv"))
    print(COLUMNS.format("file", "way", "seed", "macro-F1", "accuracy", "seconds", "processor s"))
    for name in asked.files:
        train = list(read_pairs(asked.data / f"{name}.csv"))
        scores: dict[str, list[float]] = {}
        for seed in asked.seeds:
            for way in ("labelloop", "setfit") if asked.peer_python else ("labelloop",):
                answers, seconds, processor_s = (
                    by_setfit(train, test, seed, asked.peer_python)
                    if way == "setfit"
                    else by_labelloop(train, test, seed)
                )
                macro_f1, accuracy = scored(answers, test)
                scores.setdefault(way, []).append(macro_f1)
                figures = (f"{macro_f1:.4f}", f"{accuracy:.4f}", f"{seconds:.0f}", f"{processor_s:.0f}")
                print(COLUMNS.format(name, way, seed, *figures), flush=True)
        for way, values in scores.items():
            print(
                f"{name} {way}: mean {statistics.mean(values):.4f}, {min(values):.4f} to {max(values):.4f}", flush=True
            )


def by_labelloop(train: Sequence[Pair], test: Sequence[Pair], seed: int) -> tuple[list[str], float, float]:
    """Answers, and the seconds of training by the clock and by the processor."""
    labels = tuple(sorted({label for _, label in train}))
    names = labeled([(label.replace("_", " "), label) for label in labels])
    data = TrainingData(CONTROL, "softmax", labels, labeled(train), names, labeled([]))
    started, started_processor = time.perf_counter(), time.process_time()
    with trained(data, TrainingSettings(seed=seed)) as (_, predictor):
        seconds, processor_s = time.perf_counter() - started, time.process_time() - started_processor
        answers = predictor.predict([text for text, _ in test])
        return [str(answer[CONTROL].target) if answer else "" for answer in answers], seconds, processor_s


def by_setfit(train: Sequence[Pair], test: Sequence[Pair], seed: int, python: str) -> tuple[list[str], float, float]:
    """The same by SetFit in a process with another interpreter."""
    texts, labels = zip(*train, strict=True)
    rows = FewRows(str(packaged_folder(DEFAULT_BASE_MODEL)), texts, labels, [text for text, _ in test], seed)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(asdict(rows), file)
        file.flush()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [python, "-m", "benchmarks.support.setfit_peer", file.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return result["answers"], result["seconds"], result["processor_s"]


def scored(answers: Sequence[str], test: Sequence[Pair]) -> tuple[float, float]:
    """Macro-F1 and accuracy."""
    from sklearn.metrics import accuracy_score, f1_score

    truth = [label for _, label in test]
    return float(f1_score(truth, answers, average="macro")), float(accuracy_score(truth, answers))


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks.few_rows", *sys.argv[1:]],
            {**os.environ, "OMP_NUM_THREADS": "1"},
        )
    main()
