"""Rows and out-of-fold probabilities as an audit gets them, made up from seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ml_backend.domain.example import AnnotatorLabel, Provenance, Row, Target
from ml_backend.domain.label_config import Control, Label
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.quality import Audit, Issue, IssueKind

__all__ = ["control_of", "issues_of", "reviewed", "separable", "spoilt"]


def control_of(*names: str) -> Control:
    """`<Choices name="topic">` on the field `text`, with these labels."""
    return Control("topic", "Choices", ObjectTag("text", "Text", "text"), tuple(Label(name, name) for name in names))


def reviewed(task_id: int, text: str, target: Target | None, answers: Mapping[str, Target] | None = None) -> Row:
    """A row about the control above.

    Args:
        answers: by annotator; None: annotator "1" gave the target.
    """
    given = answers if answers is not None else {} if target is None else {"1": target}
    return Row(
        id=f"row-{task_id}",
        task_id=task_id,
        input={"text": text},
        targets={} if target is None else {"topic": target},
        labels=tuple(AnnotatorLabel(name, {"topic": answer}, blind=True) for name, answer in given.items()),
        provenance=Provenance((task_id,)),
    )


def issues_of(found: Audit, kind: IssueKind) -> list[Issue]:
    return [issue for issue in found.issues if issue.kind is kind]


def separable(
    classes: Sequence[int], *, of: int, seed: int, width: int = 16
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Probabilities (N, K) and features (N, D) that tell these classes apart well, not perfectly."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(of, width))
    features = centres[list(classes)] + 0.6 * random.normal(size=(len(classes), width))
    logits = features @ centres.T / 2
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True), features.astype(np.float32)


def spoilt(classes: npt.NDArray[np.int64], count: int, *, of: int, seed: int) -> npt.NDArray[np.int64]:
    """The classes with so many of them replaced by another one."""
    random = np.random.default_rng(seed)
    wrong = random.choice(len(classes), size=count, replace=False)
    result = classes.copy()
    result[wrong] = (classes[wrong] + random.integers(1, of, count)) % of
    return result
