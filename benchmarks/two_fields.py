"""How well choices are made, or responses written, where one of two fields tells the class, beside that field alone.

    python -m benchmarks.two_fields --data FOLDER [--responses] [--classes 15] [--per-class 40] [--seeds 1 2 3]
        [--set epochs=3]

FOLDER holds Banking77's `train.csv` and `test.csv` (columns `text,category`; Casanueva et al. 2020, arXiv 2003.04807).
The telling field holds a text of the class, the other one a text of a class drawn at random among the others of the
data set. Versions are trained and measured by the commands, on all test texts of the chosen classes: choices by
macro-F1, responses, which name the class in a sentence, by ROUGE-L.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.banking77_export import label_config, sampled, studio_export
from benchmarks.support.texts import Pair, read_pairs

FIELDS = ("subject", "body")
ONE_TEXT = '<Text name="text" value="$text"/>'
AREA = f'<View>{ONE_TEXT}<TextArea name="reply" toName="text" required="true"/></View>'
TEXTS = '<Text name="subject" value="$subject"/><Text name="text" value="$body"/>'


def main() -> None:
    """Print a line per seed and a mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--responses", action="store_true", help="responses are written instead of choices made")
    parser.add_argument("--classes", type=int, default=15)
    parser.add_argument("--per-class", type=int, default=40, help="rows per class to train on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of classes, rows and the other texts")
    parser.add_argument("--set", nargs="*", default=[], help="training settings, such as epochs=3")
    asked = parser.parse_args()
    settings = [part for setting in asked.set for part in ("--set", setting)]
    train, test = (list(read_pairs(asked.data / name)) for name in ("train.csv", "test.csv"))
    ways = ("alone", *(f"in the {field}" for field in FIELDS))
    print(f"| seed | {' | '.join(ways)} |\n| --- | --- | --- | --- |")
    scores: list[dict[str, float]] = []
    for seed in asked.seeds:
        draw = random.Random(seed)
        labels = sorted(draw.sample(sorted({label for _, label in train}), asked.classes))
        rows = sampled([row for row in train if row[1] in labels], asked.per_class, seed)
        held_out = [row for row in test if row[1] in labels]
        scores.append({})
        for way, telling in zip(ways, (None, *FIELDS), strict=True):
            config = AREA if asked.responses else label_config(labels)
            config = config if telling is None else config.replace(ONE_TEXT, TEXTS)
            files = [tasks(pairs, others, telling, draw) for pairs, others in ((rows, train), (held_out, test))]
            if asked.responses:
                files = [[responded(task) for task in exported] for exported in files]
            scores[-1][way] = measured(config, files[0], files[1], settings)
        print(f"| {seed} | {' | '.join(f'{scores[-1][way]:.3f}' for way in ways)} |", flush=True)
    print(f"| mean | {' | '.join(f'{fmean(each[way] for each in scores):.3f}' for way in ways)} |")


def tasks(
    rows: Sequence[Pair], others: Sequence[Pair], telling: str | None, draw: random.Random
) -> list[dict[str, Any]]:
    """The rows as reviewed tasks, with a text of another class in the other field; without it where none is telling."""
    exported: list[dict[str, Any]] = studio_export(draw.sample(rows, len(rows)))
    if telling is None:
        return exported
    (other,) = (field for field in FIELDS if field != telling)
    for task in exported:
        (label,) = task["annotations"][0]["result"][0]["value"]["choices"]
        beside = next(text for text, name in iter(lambda: draw.choice(others), None) if name != label)
        task["data"] = {telling: task["data"]["text"], other: beside}
    return exported


def responded(task: Mapping[str, Any]) -> dict[str, Any]:
    """The task with a response that names its class in the place of the choice."""
    (annotation,) = task["annotations"]
    (label,) = annotation["result"][0]["value"]["choices"]
    text = f"Thank you for writing to us. Your question is about {label.replace('_', ' ')}."
    region = {"from_name": "reply", "to_name": "text", "type": "textarea", "value": {"text": [text]}}
    return {**task, "annotations": [{**annotation, "result": [region]}]}


def measured(
    config: str, train: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]], settings: Sequence[str]
) -> float:
    """The score on the test tasks of a version that the train tasks give, a tenth of which is held out."""
    with tempfile.TemporaryDirectory(prefix="labelloop-two-fields-") as place:
        folder = Path(place)
        (folder / "config.xml").write_text(config, encoding="utf-8")
        for name, exported in (("train.json", train), ("test.json", test)):
            (folder / name).write_text(json.dumps(exported, ensure_ascii=False), encoding="utf-8")
        source = ("--config", "config.xml", "--studio-export")
        labelloop(folder, "export", *source, "train.json", "--split", "0.9,0.1,0", "--out", "snapshot")
        labelloop(folder, "train", "--snapshot", "snapshot", "--out", "model", *settings)
        found = labelloop(folder, "evaluate", "--model-dir", "model", *source, "test.json")
        return float(found.get("macro_f1", found.get("rouge_l")))


def labelloop(folder: Path, *arguments: str) -> Any:
    """Run a command and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ml_backend", *arguments, "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"labelloop {' '.join(arguments)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
