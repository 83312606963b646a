"""The models that a baseline compares, their answers to the same rows, and what these take per 1,000 texts."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...domain.example import Row, Target
from ...domain.field_texts import readable_text
from ...domain.ports import Predictor
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.snapshot import Split
from ...domain.source import AnswerForm
from ...errors import LabelloopError
from ...sources.kinds.base import AskedControl
from ...sources.prompts import LabelPrompt, PromptFile, PromptVotes
from ...tasks import ServedControl
from ..prompting.asking import Asker
from ..prompting.examples import NearestExamples, prompt_text
from ..reporting.frozen_rows import FrozenRows
from ..services import Services
from ..sourcing.propose import target_of
from ..sourcing.voting import asked_control

__all__ = ["Contest", "Contestant"]

SECONDS_PER_HOUR = 3600.0
WARM_UP_TEXTS = 8
PROMPT, COLD_START, REGRESSION, CHAMPION = "prompt", "cold start", "regression", "champion"


class Contestant(NamedTuple):
    """A model's answers to the test rows.

    Attributes:
        kind: `prompt`, `cold start`, `regression` or `champion`.
        answers: per row; None where there is none.
        per_thousand: seconds and price per 1,000 texts, and tokens where they are counted.
        examples: train rows that were shown with each text; None for models that are not prompted.
    """

    name: str
    kind: str
    answers: list[Target | None]
    per_thousand: Mapping[str, Any]
    examples: int | None = None

    @property
    def is_trained(self) -> bool:
        """True for models that learned from labels."""
        return self.kind in (REGRESSION, CHAMPION)


@dataclass(slots=True, eq=False)
class Contest:
    """The rows of one control on which models are compared.

    Attributes:
        train: rows that a regression learns from, and that examples are taken from.
        test: rows that all answer.
        notes: why a model is missing, and what a server did not do.
    """

    services: Services
    project: Project
    served: ServedControl
    train: Sequence[Row]
    test: Sequence[Row]
    notes: list[str]
    report: ProgressCallback = Progress.ignore

    def trained(self) -> Iterator[Contestant]:
        """Yield the cold start, a regression on frozen features, and the champion, as far as they can answer."""
        services = self.services
        yield from self._predictor(COLD_START, lambda: services.cold_start(self.project))
        yield from self._regression()
        champion = services.versions.champion(self.project.ref.key)
        if champion is None:
            self.notes.append("no version of this project serves, so there is no champion to compare with")
        else:
            yield from self._predictor(
                CHAMPION, lambda: services.load_predictor(services.versions.at_hand(champion).path)
            )

    def prompted(self, facts: PromptFile, counts: Sequence[int]) -> Iterator[Contestant]:
        """Yield the prompted model with each number of examples.

        Raises:
            ConfigurationError: the settings name no server.
            TextServerError: it does not answer; what it answered until then is kept.
            SourceError: the prompt does not fit the control.
        """
        control, asker = asked_control(self.served), Asker(self.services, facts.model, most=len(self.test))
        examples = NearestExamples(self.services, self.served, self.train, self.report)
        texts = [row.text for row in self.test]
        about = [prompt_text(self.served, text) for text in texts]
        for count in counts:
            prompt = LabelPrompt(
                facts.model_copy(update={"examples": count}), control, self.served.control.labels, asker.model
            )
            shown = examples.of(texts, count)
            requests = (prompt.request(text, near) for text, near in zip(about, shown, strict=True))
            stage = Progress.share_of(self.report, 0.0, 1.0, f"{count} examples")
            asked = asker.ask(requests, samples=facts.samples, report=stage)
            if asked.failure is not None:
                raise asked.failure
            self.notes += [f"{count} examples: {sentence}" for sentence in asked.sentences]
            pairs = zip(about, asked.answers, strict=True)
            answers = [_target(control, prompt.votes(given, text)) if given else None for text, given in pairs]
            per = asked.per_thousand(self.services.options.prompts)
            yield Contestant(asker.model, PROMPT, answers, self._priced(per), count)
        self.notes += asker.notes

    def _predictor(self, kind: str, load: Callable[[], Predictor]) -> Iterator[Contestant]:
        self.report(Progress(0.0, kind, f"answers {len(self.test)} rows"))
        texts, name = [row.text for row in self.test], self.served.name
        try:
            predictor = load()
            predictor.predict(texts[:WARM_UP_TEXTS])
            start_s = time.monotonic()
            predicted = predictor.predict(texts)
        except LabelloopError as error:
            self.notes.append(f"the {kind} is left out: {error}")
            return
        seconds = 1000 * (time.monotonic() - start_s) / len(texts)
        answers = [found[name].target if found and name in found else None for found in predicted]
        if any(answer is not None for answer in answers):
            shown = predictor.version if kind == CHAMPION else kind
            yield Contestant(shown, kind, answers, self._priced({"seconds": round(seconds, 2)}))
        else:
            self.notes.append(f"the {kind} does not answer {name}")

    def _regression(self) -> Iterator[Contestant]:
        """Yield a logistic regression on frozen features of all train rows; reading the text is what takes its time."""
        from ...learning.classification.frozen import frozen_encoder
        from ...models.graphs.store import GraphStore
        from ...models.text.torch_encoder import TextEncoder

        options = self.services.options
        self.report(Progress(0.0, REGRESSION, f"learns from {len(self.train)} rows"))
        graphs = GraphStore(options.graphs_folder) if options.serving.exports_graphs else None
        every = [*((row, Split.TRAIN) for row in self.train), *((row, Split.TEST) for row in self.test)]
        try:
            encoder = TextEncoder.load(options.models.base_model)
            rows = FrozenRows(self.served, every, encoder, graphs=graphs, seed=options.seed, report=Progress.ignore)
            is_test = np.array([split is Split.TEST for _, split in rows.rows], dtype=np.bool_)
            train, scored = np.flatnonzero(~is_test), np.flatnonzero(is_test)
            (answers,) = rows.answers([rows.fold(train, scored)], [len(train)], in_order=True)
        except (LabelloopError, ValueError) as error:
            self.notes.append(f"the {REGRESSION} is left out: {error}")
            return
        by_task = {row.task_id: answer for (row, _), answer in zip(rows.rows, answers, strict=True)}
        texts = [readable_text(row.text) for row in self.test]
        with frozen_encoder(encoder, graphs, encoder.read(texts[:WARM_UP_TEXTS])) as frozen:
            frozen.embed(texts[:WARM_UP_TEXTS])
            start_s = time.monotonic()
            frozen.embed(texts)
            seconds = 1000 * (time.monotonic() - start_s) / len(texts)
        per = self._priced({"seconds": round(seconds, 2)})
        yield Contestant(REGRESSION, REGRESSION, [by_task.get(row.task_id) for row in self.test], per)

    def _priced(self, per: Mapping[str, Any]) -> dict[str, Any]:
        """Return what 1,000 texts take, with the price of the machine's time where tokens have none."""
        hour_price, seconds = self.services.options.costs.machine_hour_price, per["seconds"]
        price = per.get("price")
        if price is None and hour_price and seconds is not None:
            price = seconds / SECONDS_PER_HOUR * hour_price
        return {**per, "price": None if price is None else round(price, 6)}


def _target(control: AskedControl, votes: PromptVotes) -> Target | None:
    """Return an answer as rows hold it; None where nothing can be made of it."""
    numbers = {label: k for k, label in enumerate(control.labels)}
    parts = dict.fromkeys((numbers[label], start, end) for (label, start, end), _ in votes.parts)
    is_answer = parts or (votes.is_readable and control.form is not AnswerForm.ONE)
    return target_of(control, parts) if is_answer else None
