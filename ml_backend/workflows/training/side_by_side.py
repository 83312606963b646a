"""Compare what the base model, the champion and the challenger write to the same prompts."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...batches import in_batches
from ...domain.example import Row, references_of
from ...domain.model import ScoredTarget
from ...domain.ports import Predictor
from ...tasks import ServingPlan

if TYPE_CHECKING:
    from ...models.generation.language_model import LanguageModel

__all__ = ["Remembering", "SideBySide", "side_by_side"]


@dataclass(frozen=True, slots=True)
class Writing:
    """One model's response.

    Attributes:
        writer: the version, or the base model's name.
        rouge_l: against the experts', from 0 to 1.
    """

    writer: str
    response: str
    rouge_l: float


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A test prompt and everybody's response to it.

    Attributes:
        experts: their responses, at least one.
        writings: the base model's, the champion's and the challenger's.
    """

    control: str
    task_id: int
    prompt: str
    experts: tuple[str, ...]
    writings: tuple[Writing, ...]


class Remembering:
    """A predictor that is asked about every text once: writing a response takes seconds.

    Args:
        at_once: texts that it is asked about at a time; None: all.
        on_texts: called after each time with the number answered by then; what it raises passes through.
    """

    def __init__(
        self, predictor: Predictor, *, at_once: int | None = None, on_texts: Callable[[int], None] | None = None
    ) -> None:
        self.version = predictor.version
        self._at_once = at_once
        self._on_texts = on_texts
        self._predictor = predictor
        self._known: dict[str, Mapping[str, ScoredTarget] | None] = {}

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """Answers per control name for each text, in order."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for some in in_batches(new, self._at_once or max(len(new), 1)):
            self._known.update(zip(some, self._predictor.predict(some), strict=True))
            if self._on_texts is not None:
                self._on_texts(len(self._known))
        return [self._known[text] for text in texts]

    def predict_with_fit(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """As the predictor answers; these answers are not remembered."""
        return self._predictor.predict_with_fit(texts)

    def nearest(self, text: str, count: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        """As the predictor finds them."""
        return self._predictor.nearest(text, count)

    def language_model(self, control: str) -> "LanguageModel | None":
        """The model that writes the responses to a control, where the predictor can hand it out."""
        give = getattr(self._predictor, "language_model", None)
        model: LanguageModel | None = give(control) if give is not None else None
        return model

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float | None:
        """As the predictor draws it."""
        return self._predictor.draw_score(key, unasked)


def side_by_side(
    predictors: Mapping[str, Predictor], rows: Sequence[Row], plan: ServingPlan, *, most: int
) -> list[SideBySide]:
    """Responses to the first prompts that an expert answered, control by control.

    Args:
        predictors: by the name to show, in the order to show them.
        most: prompts per control.
    """
    from ...measuring.text_metrics import rouge_l

    comparisons = []
    for served in plan.controls:
        if served.kind.has_labels:
            continue
        chosen = [row for row in rows if served.name in row.targets][:most]
        experts = [references_of(row.targets[served.name]) for row in chosen]
        written: list[list[Writing]] = [[] for _ in chosen]
        for name, predictor in predictors.items():
            answers = predictor.predict([row.text for row in chosen]) if chosen else []
            responses = [str(a[served.name].target) if a and served.name in a else "" for a in answers]
            scores = rouge_l(experts, responses)
            for row, response, score in zip(written, responses, scores, strict=True):
                row.append(Writing(name, response, score))
        comparisons += [
            SideBySide(served.name, row.task_id, served.control.text_in(row.text), own, tuple(of_row))
            for row, own, of_row in zip(chosen, experts, written, strict=True)
        ]
    return comparisons
