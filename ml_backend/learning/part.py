"""The interface to the training of one control's model, whatever is trained."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..domain.ports import Run
from ..domain.progress import ProgressCallback
from ..models.base.base_model import weights_sha256
from ..models.bundle.bundle import Bundle, TrainedPart
from ..models.bundle.manifest import BundleFacts
from ..models.decoders.base import decoder_of
from ..models.graphs.store import GraphStore
from .classification.settings import TrainingSettings
from .generation.settings import GenerationSettings
from .loop.checkpoints import Checkpoints
from .loop.replicas import Replicas
from .loop.schedule import Deadline
from .loop.settings import LoopSettings
from .rows.data import TrainingData

__all__ = ["PartContext", "PartOutcome", "PartTrainer", "VersionSpec"]


@dataclass(frozen=True, slots=True)
class VersionSpec:
    """The choices that determine a version beside its rows.

    Attributes:
        base_model: for the controls that a linear head answers; `settings` are for them too.
        text_base_model: the model that is tuned for controls that are answered with a text; `writing` says how.
        start: a version whose parts are taken over, but for those that are trained; None: there is none.
    """

    model_version: str
    facts: BundleFacts
    base_model: str
    settings: TrainingSettings
    text_base_model: str = ""
    writing: GenerationSettings = field(default_factory=GenerationSettings)
    start: Bundle | None = None


@dataclass(frozen=True, slots=True)
class PartContext:
    """The surroundings of the training of a part: where it reports, keeps its work and gets its time from.

    Attributes:
        run: records parameters, curves, tables and figures.
        report: called at every step with the part's progress, from 0 to 1; what it raises stops the training.
        checkpoints: finished pieces, which a later attempt resumes from.
        scratch: folder for the files of this part alone, until they are in a bundle.
        graphs: with it, the base model's graph computes features where that is faster, and tuned models are exported,
            so that they serve without torch.
        deadline: by which the part is there; what does not fit before it is left out, with a warning.
        replicas: processes that share the batches of tuned models; None: this one computes them alone.
    """

    run: Run
    report: ProgressCallback
    checkpoints: Checkpoints
    scratch: Path
    graphs: GraphStore | None = None
    deadline: Deadline | None = None
    replicas: Replicas | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PartOutcome:
    """The outcome of the training of one control's model.

    Attributes:
        metrics: on the validation rows; `cross_validation_…` where folds inside train were scored.
        score: in the metric that versions are compared by; None where no rows could be scored.
        warnings: sentences for the operator.
        reason: why this method was kept.
        verify: raises a TrainingError where the part at a position of a bundle, read back from its files, computes
            something else than the trained model did.
    """

    part: TrainedPart
    metrics: Mapping[str, float]
    score: float | None
    warnings: tuple[str, ...]
    reason: str
    verify: Callable[[Bundle, int], None]


class PartTrainer(ABC):
    """Trains the models of the controls of some kinds of head; the base model is loaded once for all of them.

    Attributes:
        is_for_texts: a language model writes the answers, rather than a linear head giving them.
    """

    is_for_texts: ClassVar[bool]
    _base_model: str
    _settings: LoopSettings

    @abstractmethod
    def __init__(self, spec: VersionSpec) -> None: ...

    @classmethod
    def trains(cls, head: str) -> bool:
        """True for the kinds of head that it is for."""
        return decoder_of(head).is_written is cls.is_for_texts

    @staticmethod
    @abstractmethod
    def base_model_in(spec: VersionSpec) -> str:
        """Name or folder of the base model.

        Raises:
            TrainingError: none is named.
        """

    @property
    def origin(self) -> dict[str, Any]:
        """JSON values that determine, with the rows, what is trained: checkpoints of another origin are worthless."""
        return {"settings": self._settings.to_json(), "base_model_sha256": weights_sha256(self._base_model)}

    @abstractmethod
    def train(self, data: TrainingData, context: PartContext) -> PartOutcome:
        """Train, choose, measure, and write the files of a part.

        Raises:
            TrainingError: the loss is not finite, or the base model cannot be tuned.
        """
