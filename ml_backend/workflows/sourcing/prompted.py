"""The votes of prompted label sources, for which this process asks a language model."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...domain.example import Provenance, Row
from ...domain.field_texts import readable_text
from ...domain.progress import Progress, ProgressCallback
from ...domain.readable import shortened
from ...domain.snapshot import Split
from ...domain.source import LabelSource, SourceFault
from ...errors import ConfigurationError, TextServerError
from ...sources.kinds.base import AskedControl, Loading
from ...sources.prompts import LabelPrompt, PromptFile
from ...tasks import ServedControl, ServingPlan
from ..exporting.row_source import row_change
from ..prompting.asking import AskedTexts, Asker
from ..prompting.examples import NearestExamples, prompt_text
from ..services import Services

__all__ = ["PromptedSources", "disclosure"]

TEXT_CHARACTERS = 80
UNREADABLE = "nothing could be made of an answer; wanted JSON with labels of the config"
UNKNOWN = "an answer names a label that the control does not offer; it is left out"
MISSING = "an answer quotes what the text does not hold; it is left out"
UNSURE = (
    "least_confidence has no effect, since the server gives no probabilities; set samples = 5 to draw several answers"
)


def disclosure(services: Services, folder: Path) -> str:
    """Return who gets texts if the sources of a folder read them; empty where it holds no prompt."""
    files = Loading(folder, (), {}, lambda _: True).files(PromptFile.FOLDER)
    url = services.options.text_server.url
    names = ", ".join(path.stem for path in files)
    return f"{url} gets texts of tasks, by the prompted label sources {names}" if files and url else ""


@dataclass(slots=True, eq=False)
class PromptedSources:
    """The prompts of a folder, and what a language model answers to them.

    Args:
        controls: those that are answered with labels.
        plan: what is read of a task.
        rows: what people labeled, for the first of the texts.
        texts: all that is read of each task.
        splits: of all texts.
        first: number of the first prompted source.
        unasked: names of those for which nobody is asked.

    Attributes:
        sources: in the order of their numbers.
        votes: row, source, label, start and end of each.
        costs: tokens, price and seconds per 1,000 texts, by source.
        notes: sentences on what to know before the votes are believed.
    """

    services: Services
    controls: Sequence[AskedControl]
    plan: ServingPlan
    rows: Sequence[Row]
    texts: Sequence[str]
    splits: Sequence[Split]
    first: int
    report: ProgressCallback = Progress.ignore
    sources: list[LabelSource] = field(default_factory=list)
    faults: list[SourceFault] = field(default_factory=list)
    votes: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    costs: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unasked: Collection[str] = ()

    def ask(self, folder: Path) -> None:
        """Have the model of each prompt answer the texts; nobody is asked where the folder holds no prompt.

        Texts are shown as the hooks that change rows leave them, so with personal data masked. What a server fails to
        do is a fault of the source; what it answered counts.

        Raises:
            HookError: a hook failed with a text.
            EncoderError: a prompt wants examples, and the base model cannot be loaded.
        """
        served = {each.name: each for each in self.plan.labeled}
        loading = Loading(folder, self.controls, {}, lambda _: True)
        prompts = list(LabelPrompt.load(loading, {name: each.control.labels for name, each in served.items()}))
        self.faults += loading.faults
        if not prompts:
            return
        shown = self._shown()
        for prompt in prompts:
            if prompt.source.name in self.unasked:
                self.sources.append(prompt.source)
                self.notes.append(f"{prompt.source.name}: nobody was asked, since it is switched off")
                continue
            try:
                asker = Asker(self.services, prompt.facts.model)
            except (ConfigurationError, TextServerError) as error:
                self._fault(prompt.source, str(error), is_fatal=True)
                continue
            self._ask(prompt, served[prompt.control.name], asker, shown)

    def _ask(self, prompt: LabelPrompt, served: ServedControl, asker: Asker, shown: dict[int, str]) -> None:
        source, name = prompt.source, prompt.source.name
        self.report(Progress(0.0, name, f"{asker.url} gets the texts, for {asker.model}"))
        train = [row for row, split in zip(self.rows, self.splits, strict=False) if split is Split.TRAIN]
        examples = NearestExamples(self.services, served, train, self.report)
        nearest = examples.of(list(shown.values()), prompt.facts.examples)
        about = [prompt_text(served, text) for text in shown.values()]
        requests = (prompt.request(text, near) for text, near in zip(about, nearest, strict=True))
        asked = asker.ask(requests, samples=prompt.facts.samples, report=self.report)
        self._read(prompt, served, shown, about, asked)
        self.sources.append(source)
        options = self.services.options
        per = asked.per_thousand(options.prompts)
        self.costs[name] = {**per, "model": asker.model, "currency": options.costs.currency}
        answered = sum(bool(answers) for answers in asked.answers)
        known = f", {asked.from_before:,} of them in earlier runs" if asked.from_before else ""
        self.notes.append(f"{name}: {asker.model} at {asker.url} answered {answered:,} of {len(about):,} texts{known}")
        self.notes += [f"{name}: {sentence}" for sentence in [*asker.notes, *asked.sentences]]

    def _read(
        self, prompt: LabelPrompt, served: ServedControl, shown: dict[int, str], about: Sequence[str], asked: AskedTexts
    ) -> None:
        """Take the votes out of the answers, and count what cannot be used."""
        labels = {label: k for k, label in enumerate(prompt.control.labels)}
        number, faults = self.first + len(self.sources), Counter[str]()
        first_text: dict[str, str] = {}
        is_unsure = False
        for row, text, answers in zip(shown, about, asked.answers, strict=True):
            if not answers:
                continue
            # Where a hook changed a text's length, pieces are where they were before.
            own = prompt_text(served, self.texts[row])
            read = prompt.votes(answers, text if len(text) == len(own) else own)
            self.votes += [(row, number, labels[label], start, end) for (label, start, end), _ in read.parts]
            is_unsure |= any(chance is None for _, chance in read.parts)
            counts = ((UNREADABLE, int(not read.is_readable)), (UNKNOWN, read.unknown), (MISSING, read.missing))
            for problem, count in counts:
                if count:
                    first_text.setdefault(problem, " ".join(readable_text(text).split()))
                    faults[problem] += count
        for problem, count in faults.items():
            self._fault(prompt.source, problem, first_text[problem], count)
        if is_unsure and prompt.facts.least_confidence:
            self._fault(prompt.source, UNSURE)

    def _shown(self) -> dict[int, str]:
        """Return the texts to ask about as they are shown, by number, those first that matter most.

        Validation rows measure a source, unlabeled train tasks get its proposals, and train rows show where it and
        people differ. Test rows judge versions alone, and unlabeled held-out tasks get no proposal.
        """
        rows = list(zip(self.splits, self.texts, range(len(self.texts)), strict=True))
        labeled, unlabeled = rows[: len(self.rows)], rows[len(self.rows) :]
        groups = ((labeled, Split.VALIDATION), (unlabeled, Split.TRAIN), (labeled, Split.TRAIN))
        chosen = [(number, text) for group, wanted in groups for split, text, number in group if split is wanted]
        masked = {row.task_id: row.text for row in row_change(self.services, self.plan)(self._bare(chosen))}
        return {number: masked[number] for number, _ in chosen if number in masked}

    def _bare(self, chosen: Sequence[tuple[int, str]]) -> Iterator[Row]:
        """Yield rows that hold nothing but a text, numbered as the texts are."""
        for number, text in chosen:
            yield Row(f"asked-{number}", number, self.plan.input_of(text), {}, (), Provenance(()))

    def _fault(
        self, source: LabelSource, problem: str, text: str = "", count: int = 1, *, is_fatal: bool = False
    ) -> None:
        shown = shortened(text, TEXT_CHARACTERS)
        self.faults.append(SourceFault(source.name, source.place, problem, shown, count, is_fatal=is_fatal))
