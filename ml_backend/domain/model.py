"""Model versions, what they answer, and how one of them came to serve."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from .example import Part, Target

__all__ = [
    "GREATEST_SEED",
    "LIFETIME_ERROR",
    "GateDecision",
    "LearnedFrom",
    "Method",
    "ModelVersion",
    "Promotion",
    "PromotionState",
    "ScoredTarget",
    "SliceComparison",
    "SliceScore",
    "Suspects",
    "WeakRows",
]


COLD_START = "-cold-start-"
LIFETIME_ERROR = 0.05
"""The chance that any gate of a project ever promotes a version that is not better stays at most this."""
GREATEST_SEED = 2**32 - 1
"""The largest seed that NumPy's generators accept."""


class Method(StrEnum):
    """How a model was made. AUTO tries regression and LoRA and keeps the better on held-out rows.

    FULL trains all weights of the base model: what LoRA is compared with. QLORA is LoRA over weights held in 4 bits,
    for models that write text. DPO goes on with the adapter of a version that writes, from pairs of responses.
    """

    AUTO = "auto"
    REGRESSION = "regression"
    LORA = "lora"
    QLORA = "qlora"
    FULL = "full"
    DPO = "dpo"


class Suspects(StrEnum):
    """Ways to treat train rows whose label an audit suspects to be wrong."""

    KEEP = "keep"
    DOWNWEIGHT = "downweight"
    EXCLUDE = "exclude"


class WeakRows(StrEnum):
    """Ways to treat what label sources propose for unlabeled train tasks.

    AUTO trains on it unless a regression on frozen features is worse with it, ROWS in any case, NONE never.
    """

    NONE = "none"
    ROWS = "rows"
    AUTO = "auto"


class LearnedFrom(StrEnum):
    """The origins of the rows that a version has learned from: labels that people gave, or label sources."""

    LABELS = "labels"
    BOTH = "labels and label sources"
    SOURCES = "label sources alone"


@dataclass(frozen=True, slots=True)
class ScoredTarget:
    """A model's answer to one control for one text.

    Attributes:
        score: calibrated confidence that the whole target is right, from 0 to 1.
        scores: calibrated confidence per label that could have been chosen, summing to 1 for a single choice; or per
            span of the target.
        fit: p-value of the text, see `fit`; None where nobody asked, or the version cannot tell.
    """

    target: Target
    score: float
    scores: Mapping[Part, float]
    fit: float | None = None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model. Immutable, except that it may serve or not.

    Attributes:
        path: its serving bundle, on this machine.
        run_id: the tracking run that made it.
        metrics: measured when it was made, with `train_rows` that people labeled and `weak_rows` that label sources
            proposed.
        digest: sha256 of the bundle's manifest; None for versions made before it was recorded.
        is_champion: it serves.
        is_challenger: it is the newest of its project.
    """

    name: str
    number: int
    project_key: str
    method: Method
    snapshot_id: str
    path: Path
    run_id: str
    label_config_fingerprint: str
    created_at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict)
    digest: str | None = None
    is_champion: bool = False
    is_challenger: bool = False

    @property
    def learned_from(self) -> LearnedFrom:
        """Whose answers it learned, over all controls."""

        def rows(name: str) -> float:
            return sum(value for key, value in self.metrics.items() if key.rpartition(".")[2] == name)

        if not rows("weak_rows"):
            return LearnedFrom.LABELS
        return LearnedFrom.BOTH if rows("train_rows") else LearnedFrom.SOURCES

    @staticmethod
    def name_of(project_key: str, number: int) -> str:
        """Return `<slug>-<project id>-v<N>`: the one string used in Label Studio, the registry and every answer."""
        return f"{project_key}-v{number}"

    @staticmethod
    def cold_start_name(project_key: str, fingerprint: str) -> str:
        """Return the name for answers given before the first model: it changes only when the label config does."""
        return f"{project_key}{COLD_START}{fingerprint}"

    @staticmethod
    def is_cold_start_name(version: str) -> bool:
        """True for the names of `cold_start_name`."""
        return COLD_START in version


@dataclass(frozen=True, slots=True)
class SliceScore:
    """A version on a slice of the rows, as far as one control is concerned.

    Attributes:
        name: of the slice, such as `class: refund`.
        low: lower end of the 95% interval of the score; `high` is its upper end.
        score: mean over the rows, from 0 to 1: the share answered rightly, for entities the mean F1 of a row's spans,
            for texts ROUGE-L.
    """

    control: str
    name: str
    rows: int
    low: float
    score: float
    high: float


@dataclass(frozen=True, slots=True)
class SliceComparison:
    """Champion and challenger on a slice of the test rows.

    Attributes:
        p: the chance that an equal challenger loses as much there.
        is_worse: the challenger is surely worse there, all slices considered.
        may_be_worse: it loses there, and that may be no accident.
    """

    champion: SliceScore
    challenger: SliceScore
    p: float
    is_worse: bool
    may_be_worse: bool

    @property
    def difference(self) -> float:
        """Score of the challenger less that of the champion."""
        return self.challenger.score - self.champion.score


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The decision of a gate, with the figures behind it.

    Attributes:
        promote: whether the challenger may serve.
        is_provisional: the test set was too small for an interval to decide; the point estimate did.
        reason: the decision in a sentence, figures included.
        metric: what the scores are, such as `macro-F1`; with several controls the mean over them.
        rows: test rows that both were scored on.
        champion_score: of what serves now (the cold start before the first model).
        lower_bound: lower end of the one-sided interval of the difference; None where it was not computed.
        confidence: of that interval: what the project's budget of error left to this gate.
        margin: by how much the challenger may be worse; 0: it must be better.
        error_spent: chance that a gate of the project, this one included, has promoted a version that was not better;
            None for gates that were held before it was kept.
        earlier_gates: how many gates were held before this one.
        slices: both on slices of the test rows, those of the most evidence against the challenger first.
        mcnemar_p: McNemar's exact p, two-sided, over the rows that one version alone answers fully right.
    """

    promote: bool
    is_provisional: bool
    reason: str
    rows: int
    champion: str
    challenger: str
    champion_score: float
    challenger_score: float
    difference: float
    lower_bound: float | None
    confidence: float | None
    margin: float = 0.0
    error_spent: float | None = None
    earlier_gates: int = 0
    warnings: tuple[str, ...] = ()
    metric: str = "macro-F1"
    slices: tuple[SliceComparison, ...] = ()
    mcnemar_p: float | None = None

    @property
    def vetoes(self) -> tuple[SliceComparison, ...]:
        """The slices on which the challenger is surely worse, which keeps it out."""
        return tuple(each for each in self.slices if each.is_worse)

    @property
    def spending(self) -> str | None:
        """How much of the project's budget of error is spent; None for gates that were held before there was one."""
        return None if self.error_spent is None else f"{self.error_spent:.4f} of {LIFETIME_ERROR}"


class PromotionState(StrEnum):
    """Steps of a promotion, in order. COMMITTED is the commit point: the version serves from then on."""

    INTENT = "intent"
    PUSHED = "pushed"
    COMMITTED = "committed"
    DONE = "done"
    ABANDONED = "abandoned"

    @property
    def is_open(self) -> bool:
        """True while there is still something to do, or to repair after a crash."""
        return self not in (PromotionState.DONE, PromotionState.ABANDONED)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A row of the promotions table.

    Attributes:
        previous: version that served before; a cold start for the first.
        reason: why it was promoted: the gate's sentence, or the operator's.
        job_id: the job that began it.
        actor: who asked for it: a user at the terminal as `user@host`, or what started the training; "" where unknown.
    """

    id: int
    project_id: int
    version: str
    previous: str
    state: PromotionState
    reason: str
    is_forced: bool
    created_at: datetime
    updated_at: datetime
    job_id: int | None = None
    actor: str = ""
