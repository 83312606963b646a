"""How well wrong sets of labels are found in NLU++, and wrong spans in WNUT17.

    python -m benchmarks.label_errors_in_parts [--nlupp FILE] [--wnut FOLDER] [--rows 1500] [--seeds 1 2]

NLU++ is a JSONL file with `text`, `intents` and `fold` a line (Casanueva et al. 2022, CC BY 4.0), of which folds 0 to
17 are judged; WNUT17 the folder of `train.conll` (Derczynski et al. 2017, CC BY 4.0). In 15% of the sets a label is
dropped or added. In 30% of the texts with entities one is dropped, gets another type or another end, and 3% of the
others get one. What is wrong in the data itself counts as a false alarm.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.entities import read_rows
from ml_backend.domain.example import Provenance, Row, Span, Target, label_of, parts_of
from ml_backend.domain.label_config import Control, Label, ObjectTag
from ml_backend.domain.quality import IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.quality.examine import examine
from ml_backend.quality.out_of_sample import audit_settings, predict_out_of_sample
from ml_backend.quality.reviewed_texts import ReviewedTexts
from ml_backend.tasks import ServedControl, find_kinds

Answers: TypeAlias = list[tuple[str, Target]]
Spoil: TypeAlias = Callable[[str, Target, Sequence[str], random.Random], Target]

SHOWN = 50
CHOICES = Control("answer", "Choices", ObjectTag("text", "Text", "text"), (), {"choice": "multiple"})
SPANS = replace(CHOICES, tag="Labels", attributes={})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nlupp", type=Path, help="the JSONL file")
    parser.add_argument("--wnut", type=Path, help="the folder")
    parser.add_argument("--rows", type=int, default=1500, help="texts of WNUT17, drawn with seed 1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="of the noise")
    arguments = parser.parse_args()
    print("| data | wrong | flags | precision | recall | AP | first 50 flags | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    if arguments.nlupp:
        lines = [json.loads(line) for line in arguments.nlupp.read_text(encoding="utf-8").splitlines()]
        sets: Answers = [(one["text"], tuple(sorted(set(one["intents"])))) for one in lines if one["fold"] < 18]
        for line in measured(sets, CHOICES, "multiple_choice", spoilt_set, arguments.seeds):
            print(f"| NLU++ | {line}", flush=True)
    if arguments.wnut:
        marked = [(text, tuple(spans)) for text, spans in read_rows(arguments.wnut / "train.conll")]
        chosen: Answers = random.Random(1).sample(marked, min(arguments.rows, len(marked)))
        for line in measured(chosen, SPANS, "entities", spoilt_spans, arguments.seeds):
            print(f"| WNUT17 | {line}", flush=True)


def measured(truth: Answers, control: Control, kind: str, spoil: Spoil, seeds: Sequence[int]) -> Iterator[str]:
    """A line of figures per seed of the noise."""
    labels = sorted({label_of(part) for _, target in truth for part in parts_of(target)})
    control = replace(control, labels=tuple(Label(label, label) for label in labels))
    served = ServedControl(control, find_kinds()[kind])
    for seed in seeds:
        rng = random.Random(seed)
        given = [spoil(text, target, labels, rng) for text, target in truth]
        rows = [
            Row(str(n), n, {"text": text}, {"answer": target}, (), Provenance(()))
            for n, ((text, _), target) in enumerate(zip(truth, given, strict=True))
        ]
        is_wrong = np.array([target != right for (_, right), target in zip(truth, given, strict=True)])
        yield f"{is_wrong.sum()} of {len(rows)} {figures(rows, served, is_wrong)}"


def figures(rows: Sequence[Row], served: ServedControl, is_wrong: np.ndarray) -> str:
    """What an audit finds, as cells of a table."""
    from sklearn.metrics import average_precision_score

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        features, predictions = predict_out_of_sample(
            [ReviewedTexts.of(rows, served)],
            audit_settings(is_deep=False, seed=1),
            base_model=DEFAULT_BASE_MODEL,
            cache=Path(cache),
            report=lambda _: None,
        )
    found = examine(rows, [Split.TRAIN] * len(rows), predictions, features)
    seconds = time.perf_counter() - began
    flagged = [issue.task_id for issue in found.issues if issue.kind is IssueKind.LABEL_ERROR]
    quality = np.array([found.controls[0].quality[row.task_id] for row in rows])
    cells = [
        is_wrong[flagged].mean(),
        is_wrong[flagged].sum() / is_wrong.sum(),
        average_precision_score(is_wrong, -quality),
        is_wrong[flagged[:SHOWN]].mean(),
    ]
    return f"| {len(flagged)} | {' | '.join(f'{value:.3f}' for value in cells)} | {seconds:.0f} |"


def spoilt_set(_text: str, target: Target, labels: Sequence[str], rng: random.Random) -> Target:
    """A label less or more in 15% of the sets."""
    if rng.random() >= 0.15:
        return target
    chosen = {str(part) for part in parts_of(target)}
    if chosen and rng.random() < 0.5:
        chosen.discard(rng.choice(sorted(chosen)))
    else:
        chosen.add(rng.choice([label for label in labels if label not in chosen]))
    return tuple(sorted(chosen))


def spoilt_spans(text: str, target: Target, labels: Sequence[str], rng: random.Random) -> Target:
    """One span dropped, of another type or with another end in 30% of the texts with spans; one in 3% of the others."""
    spans = [part for part in parts_of(target) if isinstance(part, Span)]
    if rng.random() >= (0.3 if spans else 0.03):
        return target
    if not spans:
        words = text.split(" ")
        place = rng.randrange(len(words))
        start = len(" ".join([*words[:place], ""]))
        return (Span(start, start + len(words[place]), rng.choice(labels)),)
    one = spans.pop(rng.randrange(len(spans)))
    way = rng.choice(["dropped", "type", "end"])
    if way == "type":
        spans.append(replace(one, label=rng.choice([label for label in labels if label != one.label])))
    elif way == "end" and (end := other_end(text, one, spans)):
        spans.append(replace(one, end=end))
    return tuple(sorted(spans))


def other_end(text: str, span: Span, others: Sequence[Span]) -> int:
    """A word less, or a word more where there is one alone; 0 where that does not go."""
    piece = text[span.start : span.end]
    if " " in piece:
        return span.start + piece.rindex(" ")
    after = text.find(" ", span.end + 1)
    end = len(text) if after < 0 else after
    is_taken = any(other.start < end and span.start < other.end for other in others)
    return 0 if is_taken or end <= span.end else end


if __name__ == "__main__":
    main()
