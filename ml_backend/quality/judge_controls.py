"""What models that were trained without them say of reviewed rows: what an audit judges answers by."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..arrays import Floats, Floats2d
from ..domain.model import HeadKind, Method
from ..domain.progress import Progress, ProgressCallback
from ..learning.classification.settings import TrainingSettings
from ..learning.loop.checkpoints import Checkpoints
from ..learning.loop.meter import FORWARD_SHARE, ProgressMeter
from ..models.base.base_model import weights_sha256
from ..models.text.torch_encoder import TextEncoder
from .cross_predict import AUDIT_C, ControlJudge, CrossPredictedRows
from .reviewed_texts import ReviewedTexts

__all__ = ["Judgement", "Trust", "audit_settings", "judge_controls"]

Trust = Callable[[CrossPredictedRows], Floats]
"""How far to believe the answer of each row, shape (N,), above 0 to 1."""

WORK_STARTS, WORK_ENDS = 0.05, 1.0
FEATURES_END, FEATURES_END_DEEP = 0.6, 0.1
"""Embedding takes most of the time unless LoRA is trained."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What models say of rows.

    Attributes:
        features: of the rows' texts, shape (N, D), of the frozen base model.
        controls: what they say of the answers, control by control in the order asked for.
    """

    features: Floats2d
    controls: tuple[CrossPredictedRows, ...]


def audit_settings(*, is_deep: bool, seed: int) -> TrainingSettings:
    """How the models of an audit are trained: the regression on frozen features, or LoRA anew for every fold."""
    if is_deep:
        return TrainingSettings(method=Method.LORA, seed=seed)
    return TrainingSettings(method=Method.REGRESSION, seed=seed, regression_c=AUDIT_C)


def judge_controls(
    reviewed: Sequence[ReviewedTexts],
    settings: TrainingSettings,
    *,
    base_model: str,
    cache: Path,
    report: ProgressCallback,
    trust: Mapping[HeadKind, Trust] | None = None,
) -> Judgement:
    """Judge every row by models that saw neither it nor a text that normalises alike.

    Args:
        reviewed: the answers of the same rows to one control after the other, at least one.
        settings: those of `audit_settings`.
        cache: folder for what this gives, and for what a later attempt goes on from. It holds one set of features,
            and probabilities once per control and method; those of other rows or settings are replaced.
        report: told of every step; what it raises stops the work, and what is finished stays in the cache.
        trust: what it makes of a first round of regressions decides how much the models that judge learn from each
            answer; kinds of head that are not in it have one round, which learns from all answers alike.

    Raises:
        EncoderError: the base model cannot be loaded.
        TrainingError: LoRA cannot be trained on it, or its loss is not finite.
    """
    report(Progress(0.0, "loading", f"loading {base_model}"))
    middle = FEATURES_END_DEEP if settings.method is Method.LORA else FEATURES_END
    texts = _Texts(reviewed[0].texts, base_model, settings.max_length_tokens)
    features = texts.features(cache / "features", report, WORK_STARTS, middle)
    judged = []
    for position, each in enumerate(reviewed):
        judge = ControlJudge(
            each, settings, texts.encoder, features, origin=texts.origin, cache=cache / f"control-{position}"
        )
        share = (WORK_ENDS - middle) / len(reviewed)
        start = middle + position * share
        judged.append(judge.judged((trust or {}).get(each.head), report, start, start + share))
    return Judgement(features, tuple(judged))


class _Texts:
    """The rows' texts, and the one encoder that reads them."""

    def __init__(self, texts: Sequence[str], base_model: str, max_length_tokens: int) -> None:
        self._texts, self._base_model, self._max_length_tokens = texts, base_model, max_length_tokens

    @property
    def origin(self) -> Mapping[str, Any]:
        """What determines the features of the texts."""
        return {
            "base_model_sha256": weights_sha256(self._base_model),
            "max_length_tokens": self._max_length_tokens,
            "texts_sha256": _texts_sha256(self._texts),
        }

    @cached_property
    def encoder(self) -> TextEncoder:
        return TextEncoder.load(self._base_model, max_length_tokens=self._max_length_tokens)

    def features(self, cache: Path, report: ProgressCallback, start: float, end: float) -> Floats2d:
        meter = ProgressMeter(report, len(self._texts) * FORWARD_SHARE, start=start, end=end)
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            meter.advance((rows - done) * FORWARD_SHARE, "embedding", f"{rows} of {len(self._texts)} texts")
            done = rows

        found, _ = Checkpoints(cache, self.origin).arrays(
            "features", lambda: {"rows": self.encoder.embed(self._texts, on_rows=count)}
        )
        return found["rows"]


def _texts_sha256(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        # The length first: otherwise two rows could be told from one only by a character that no text holds.
        digest.update(f"{len(text)}:{text}".encode(errors="surrogatepass"))
    return digest.hexdigest()
