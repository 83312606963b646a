"""Answers of a trained version."""

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.model import ScoredTarget
from ..errors import BundleError, LabelConfigError
from ..labelstudio.plans import plan_of
from ..models.bundle.bundle import Bundle, read_bundle
from ..models.decoders.text import TextDecoder
from ..models.generation.generator import TextGenerator
from ..models.generation.torch_writer import TorchWriter
from ..models.generation.tuned_model import load_tuned_model
from ..models.generation.writers import tuned_generator
from ..models.graphs.fastest import AUTO
from ..models.text.classifier import TextClassifier
from ..tasks import ServedControl
from .drafts import Writer, draft_answers
from .engines import EngineEncoder, Engines
from .fit import FittingClassifier
from .region_answers import answers_per_region
from .scores import draw_from_quantiles

if TYPE_CHECKING:
    from ..models.generation.language_model import LanguageModel

__all__ = ["BundlePredictor"]

Answers = Callable[[Sequence[str]], Sequence[ScoredTarget | None]]


class BundlePredictor:
    """A trained version in memory. Safe to use from several threads.

    Args:
        path: folder of its serving bundle.
        engines: compute heads the fastest way there is here, and shared; None: torch does, which takes its time, and
            gives the same on every machine.
        runtime: of what writes, as in the setting `LABELLOOP_RUNTIME`.
        budget_s: seconds per draft of a response, by the wall clock; None: no bound.
        remote: gives what writes the responses of a version elsewhere, None where nothing does; then the version's
            own model is loaded.

    Raises:
        BundleError: the bundle is damaged, or was trained on other base weights than the ones found here.
        EncoderError: its base model cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        *,
        engines: Engines | None = None,
        runtime: str = AUTO,
        budget_s: float | None = None,
        remote: Callable[[str], Writer | None] = lambda _: None,
    ) -> None:
        bundle = self._bundle = read_bundle(path)
        self._served = _controls(path, bundle)
        self.version = bundle.manifest.model_version
        self._parts = bundle.manifest.parts
        self._writers: dict[str, Writer] = {}
        self._answers: dict[str, Answers] = {}
        self._fitting: dict[str, FittingClassifier] = {}
        self._memory: dict[Hashable, int] = {}
        for position, part in enumerate(bundle.manifest.parts):
            if isinstance(part.decoder, TextDecoder):
                writer = remote(self.version) or _own_writer(bundle, position, part.decoder, runtime, budget_s)
                self._writers[part.control] = writer
                self._answers[part.control] = partial(draft_answers, writer)
                if isinstance(writer, TextGenerator):
                    self._memory[writer] = writer.writer.memory_bytes
            else:
                model = engines.classifier(bundle, position) if engines else TextClassifier.load(bundle, position)
                self._answers[part.control] = model.answers
                self._fitting[part.control] = FittingClassifier(model, bundle, position)
                if isinstance(model.encoder, EngineEncoder):
                    self._memory[model.encoder.engine] = model.encoder.engine.memory_bytes

    @property
    def controls(self) -> frozenset[str]:
        """Names of the controls that it answers."""
        return frozenset(self._answers)

    @property
    def memory(self) -> Mapping[Hashable, int]:
        """Bytes in memory, by what holds them; two predictors may share it."""
        return self._memory

    def warm_up(self) -> None:
        """Answer some texts, the way that requests go, so that the first request takes no longer than others.

        Nothing is drafted: that takes seconds, and no longer the first time.

        Raises:
            BundleError: it cannot answer.
        """
        for name, answer in self._answers.items():
            if name not in self._writers:
                try:
                    answer(EngineEncoder.WARM_UP_TEXTS)
                except Exception as error:  # the runtimes' errors have no common base class
                    raise BundleError(
                        f"{self.version} was loaded and cannot answer {name!r}: {error}; try another LABELLOOP_RUNTIME"
                    ) from error

    def language_model(self, control: str) -> "LanguageModel | None":
        """The model that writes the responses to a control, in torch; None where none of this process does.

        It is loaded where a graph writes them.
        """
        generator = self._writers.get(control)
        if not isinstance(generator, TextGenerator):
            return None
        if isinstance(generator.writer, TorchWriter):
            return generator.writer.model
        position = next(i for i, part in enumerate(self._parts) if part.control == control)
        return load_tuned_model(self._bundle.part_folder(position))

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """Answers per control for each text, in order; None for an empty text."""
        return self._predicted(texts, self._answers)

    def predict_with_fit(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """The same answers, from the same computation, with their `fit` where the version can tell it.

        Raises:
            BundleError: what tells it cannot be read.
        """
        fitting: Mapping[str, Answers] = {name: each.answers for name, each in self._fitting.items()}
        return self._predicted(texts, {**self._answers, **fitting})

    def nearest(self, text: str, count: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        """The nearest train rows per control, by key and cosine.

        Raises:
            BundleError: what is kept of them cannot be read.
        """
        about = {name: self._about(name, text) for name in self._fitting if not self._marking(name)}
        return {name: self._fitting[name].nearest(each, count) for name, each in about.items() if each.strip()}

    def _predicted(
        self, texts: Sequence[str], answering: Mapping[str, Answers]
    ) -> list[Mapping[str, ScoredTarget] | None]:
        positions = [position for position, text in enumerate(texts) if text.strip()]
        answers: list[Mapping[str, ScoredTarget] | None] = [None] * len(texts)
        asked = [texts[i] for i in positions]
        by_control = {
            name: self._column(name, answer, asked) for name, answer in answering.items() if not self._marking(name)
        }
        rows = [
            {name: answer for name, column in by_control.items() if (answer := column[number]) is not None}
            for number in range(len(asked))
        ]
        for name in filter(self._marking, self._answers):
            per_region = answers_per_region(self._served[name], self._answers[name], asked, rows)
            rows = [row | ({} if each is None else {name: each}) for row, each in zip(rows, per_region, strict=True)]
        for row, position in zip(rows, positions, strict=True):
            answers[position] = row
        return answers

    def _column(self, name: str, answer: Answers, texts: Sequence[str]) -> Sequence[ScoredTarget | None]:
        """A control's answers; None also where the text that it is about is empty."""
        if name not in self._served:
            return answer(texts)
        about = [self._about(name, text) for text in texts]
        filled = [text for text in about if text.strip()]
        answers = iter(answer(filled) if filled else ())
        return [next(answers) if text.strip() else None for text in about]

    def _about(self, name: str, text: str) -> str:
        """Return what a control is decided on out of a task's text."""
        served = self._served.get(name)
        return text if served is None else served.control.prompt_in(text)

    def _marking(self, name: str) -> bool:
        """True for a control that is asked about marked pieces."""
        return name in self._served and bool(self._served[name].marking)

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float:
        """Draw from the scores of the held-out rows; the same key gives the same draw."""
        return math.prod(
            draw_from_quantiles(part.score_quantiles, f"{self.version}:{part.control}", key)
            for part in self._parts
            if part.control not in unasked and not self._marking(part.control)
        )


def _controls(path: Path, bundle: Bundle) -> dict[str, ServedControl]:
    """Return the controls by name that may be decided on something else than a task's text as it is.

    These are all where several texts or pieces of one are read, and responses to a dialogue.

    Raises:
        BundleError: the label config in it cannot be used.
    """
    facts = bundle.manifest.facts
    written = facts.label_config.lower()
    reads_parts = bool(facts.fields) or "perregion" in written
    may_answer_dialogues = "<paragraphs" in written and any(
        isinstance(part.decoder, TextDecoder) for part in bundle.manifest.parts
    )
    if not (reads_parts or may_answer_dialogues):
        return {}
    try:
        served = plan_of(facts).controls
    except LabelConfigError as error:
        raise BundleError(f"the label config in {path} cannot be used: {error}") from error
    return {each.name: each for each in served if reads_parts or each.control.answers_a_dialogue}


def _own_writer(
    bundle: Bundle, position: int, decoder: TextDecoder, runtime: str, budget_s: float | None
) -> TextGenerator:
    return tuned_generator(
        bundle.part_folder(position),
        runtime=runtime,
        max_new_tokens=decoder.max_new_tokens,
        budget_s=budget_s,
        max_length_tokens=bundle.manifest.parts[position].max_length_tokens,
    )
