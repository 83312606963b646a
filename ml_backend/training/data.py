"""What a classifier is trained on: texts with class indices and weights, taken from the rows of a snapshot.

To the rows come the labels' own descriptions, their names and the phrases of their hints, as further train texts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..domain.example import Row
from ..domain.label_config import Control
from ..errors import TrainingError

__all__ = ["LabeledTexts", "TrainingData", "training_data"]

THIN_CLASS_ROWS = 5
SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class LabeledTexts:
    """Texts with their classes.

    Attributes:
        targets: class per text.
        indices: position of the class among the head's labels.
        weights: factor on the text's loss.
    """

    texts: tuple[str, ...]
    targets: tuple[str, ...]
    indices: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, positions: Sequence[int] | npt.NDArray[np.int64]) -> "LabeledTexts":
        """The texts at these positions, in their order."""
        chosen = np.asarray(positions, dtype=np.int64)
        return LabeledTexts(
            tuple(self.texts[i] for i in chosen),
            tuple(self.targets[i] for i in chosen),
            self.indices[chosen],
            self.weights[chosen],
        )

    def plus(self, other: "LabeledTexts", *, weight: float) -> "LabeledTexts":
        """These texts, then the other ones with their weights multiplied; without them for weight 0."""
        if weight == 0:
            return self
        return LabeledTexts(
            self.texts + other.texts,
            self.targets + other.targets,
            np.concatenate([self.indices, other.indices]),
            np.concatenate([self.weights, weight * other.weights]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Train and validation rows of one control.

    Attributes:
        labels: classes of the head: all of the label config, in its order.
        described: the labels' descriptions, of weight 1; trained on beside the rows, never scored.
        validation: may be empty.
        warnings: sentences on what was left out or is thin.
    """

    labels: tuple[str, ...]
    train: LabeledTexts
    described: LabeledTexts
    validation: LabeledTexts
    warnings: tuple[str, ...] = ()

    def learned(self, description_weight: float) -> LabeledTexts:
        """All that is trained on: the train rows, then the descriptions."""
        return self.train.plus(self.described, weight=description_weight)


def training_data(train_rows: Sequence[Row], validation_rows: Sequence[Row], control: Control) -> TrainingData:
    """The rows' texts and classes for one control.

    Rows that cannot be learned from (an empty text, no answer, an answer that the config lacks, weight 0) are left
    out with a warning. Classes without a train row never block training: they are learned from their descriptions.

    Raises:
        TrainingError: no usable train row, or all of them are of one class.
    """
    labels = control.label_values
    train, left_out = _usable(train_rows, control)
    counts = Counter(target for _, target, _ in train)
    if not train:
        raise TrainingError(
            f"none of the {len(train_rows)} train rows can be learned from ({_reasons(left_out) or 'there is none'}); "
            "wanted a text and one of the config's choices in each: review more tasks and train again"
        )
    if len(counts) < 2:
        raise TrainingError(
            f"all {len(train)} train rows are labeled {train[0][1]!r}; wanted rows of at least 2 classes: "
            "review tasks of another class and train again"
        )
    validation, _ = _usable(validation_rows, control)
    described = [(text, label.value, 1.0) for label in control.labels for text in label.descriptions]
    return TrainingData(
        labels,
        _labeled(train, labels),
        _labeled(described, labels),
        _labeled(validation, labels),
        tuple(_warnings(labels, counts, left_out)),
    )


def _usable(rows: Sequence[Row], control: Control) -> tuple[list[tuple[str, str, float]], Counter[str]]:
    """(text, class, weight) of the rows that can be learned from, and how many cannot, per reason."""
    usable: list[tuple[str, str, float]] = []
    left_out: Counter[str] = Counter()
    known = set(control.label_values)
    for row in rows:
        text = row.input.get(control.object.field or "", "")
        target = row.targets.get(control.name)
        if not text.strip():
            left_out["without a text"] += 1
        elif not isinstance(target, str):
            left_out[f"without an answer to {control.name!r}"] += 1
        elif target not in known:
            left_out["with an answer that the label config lacks"] += 1
        elif not row.weight > 0:
            left_out["of weight 0"] += 1
        else:
            usable.append((text, target, row.weight))
    return usable, left_out


def _labeled(rows: Sequence[tuple[str, str, float]], labels: Sequence[str]) -> LabeledTexts:
    index = {label: k for k, label in enumerate(labels)}
    return LabeledTexts(
        tuple(text for text, _, _ in rows),
        tuple(target for _, target, _ in rows),
        np.array([index[target] for _, target, _ in rows], dtype=np.int64),
        np.array([weight for _, _, weight in rows], dtype=np.float64),
    )


def _warnings(labels: Sequence[str], counts: Counter[str], left_out: Counter[str]) -> list[str]:
    warnings = []
    if left_out:
        warnings.append(f"{left_out.total()} train rows were left out: {_reasons(left_out)}")
    absent = [label for label in labels if not counts[label]]
    if absent:
        warnings.append(f"no train row is labeled {_listed(absent)}: the model knows such labels by name and hint only")
    thin = [f"{label} ({counts[label]})" for label in labels if 0 < counts[label] < THIN_CLASS_ROWS]
    if thin:
        warnings.append(f"under {THIN_CLASS_ROWS} train rows each for {_listed(thin)}: answers there are little tested")
    return warnings


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
