"""Banking77 as JSON exports of Label Studio, so that the commands can be tried on data that everybody knows.

    python -m benchmarks.banking77_export --data FOLDER --out FOLDER [--per-class 10] [--seed 1]

FOLDER holds the data set's own `train.csv` and `test.csv` (columns `text,category`; Casanueva et al. 2020,
arXiv 2003.04807). Written are `config.xml`, `train.json` and `test.json`. Then:

    labelloop export --studio-export train.json --config config.xml --split 1,0,0 --out snapshot
    labelloop train --snapshot snapshot --out model
    labelloop evaluate --model-dir model --studio-export test.json --config config.xml
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from benchmarks.support.texts import Pair, read_pairs

__all__ = ["label_config", "sampled", "studio_export"]


def sampled(rows: Iterable[Pair], per_class: int, seed: int) -> list[Pair]:
    """This many rows of each class, drawn with the seed."""
    by_class: Mapping[str, list[Pair]] = defaultdict(list)
    for row in rows:
        by_class[row[1]].append(row)
    draw = random.Random(seed)
    return [row for label in sorted(by_class) for row in draw.sample(by_class[label], per_class)]


def label_config(labels: Iterable[str]) -> str:
    """A label config with these classes."""
    choices = "\n".join(f"    <Choice value={quoteattr(label)}/>" for label in labels)
    return (
        '<View>\n  <Text name="text" value="$text"/>\n  <Choices name="intent" toName="text" choice="single">\n'
        f"{choices}\n  </Choices>\n</View>\n"
    )


def studio_export(rows: Iterable[Pair]) -> list[dict[str, object]]:
    """The rows as reviewed tasks, as Label Studio exports them."""
    return [
        {
            "id": number,
            "data": {"text": text},
            "annotations": [
                {
                    "id": number,
                    "completed_by": 1,
                    "was_cancelled": False,
                    "ground_truth": False,
                    "result": [
                        {"from_name": "intent", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
                    ],
                }
            ],
        }
        for number, (text, label) in enumerate(rows, start=1)
    ]


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per-class", type=int, default=0, help="rows per class to train on; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    train = list(read_pairs(asked.data / "train.csv"))
    asked.out.mkdir(parents=True, exist_ok=True)
    labels = sorted({label for _, label in train})
    (asked.out / "config.xml").write_text(label_config(labels), encoding="utf-8")
    chosen = sampled(train, asked.per_class, asked.seed) if asked.per_class else train
    for name, rows in (("train", chosen), ("test", read_pairs(asked.data / "test.csv"))):
        (asked.out / f"{name}.json").write_text(json.dumps(studio_export(rows), ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
