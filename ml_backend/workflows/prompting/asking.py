"""Put requests to a text server: each once in the life of a home folder, side by side, and counted."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...batches import in_batches
from ...domain.progress import Progress, ProgressCallback
from ...errors import TextServerError
from ...option_groups import PromptOptions
from ...options import PREFIX
from ...serving.chat import ChatRequest, Completion
from ...storage.answer_file import AnswerFile
from ..services import Services

if TYPE_CHECKING:
    from ...serving.openai_server import OpenAiServer

__all__ = ["AskedTexts", "Asker"]

TEXTS_AT_ONCE = 500
HOPELESS = 5
"""So many refusals and not one answer: the fault is not in the texts."""


@dataclass(slots=True)
class AskedTexts:
    """Answers about some texts, and the tokens and the time that they took.

    Attributes:
        answers: per text; none where it was left out, or the server refused or did not answer.
        from_before: texts whose answers were known.
        left_out: texts that were not asked about, since the limit for one run was reached.
        refused: texts that the server refused.
        refusal: what it said of the first of them.
        failure: why it was given up; the texts without an answer are those that it did not get to.
        concurrency: requests that were with the server at a time.
    """

    answers: list[list[Completion]]
    from_before: int = 0
    left_out: int = 0
    refused: int = 0
    refusal: str = ""
    failure: TextServerError | None = None
    concurrency: int = 1

    def per_thousand(self, prices: PromptOptions) -> dict[str, Any]:
        """Return tokens, price and seconds per 1,000 texts as a JSON object; None for what the server did not say.

        Seconds are those of a thousand texts one after another, over how many are with the server at a time.
        """
        texts = sum(bool(answers) for answers in self.answers)
        every = [each for answers in self.answers for each in answers]
        counts = [(each.prompt_tokens, each.completion_tokens) for each in every]
        if not texts or any(read is None or written is None for read, written in counts):
            read_tokens = written_tokens = None
        else:
            read_tokens, written_tokens = (
                round(1000 * sum(filter(None, each)) / texts) for each in zip(*counts, strict=True)
            )
        price = None if read_tokens is None or written_tokens is None else prices.price(read_tokens, written_tokens)
        seconds = 1000 * sum(each.seconds for each in every) / texts / self.concurrency if texts else None
        return {
            "input_tokens": read_tokens,
            "output_tokens": written_tokens,
            "price": None if price is None else round(price, 6),
            "seconds": None if seconds is None else round(seconds, 2),
        }

    @property
    def sentences(self) -> list[str]:
        """Why texts have no answer."""
        found = []
        if self.left_out:
            found.append(
                f"texts not asked about: {self.left_out:,}, since the limit for one run is reached "
                f"({PREFIX}PROMPT_MOST); another run goes on"
            )
        if self.refused:
            found.append(f"texts that the server refused: {self.refused:,}, the first because {self.refusal}")
        if self.failure is not None:
            missing = sum(not answers for answers in self.answers) - self.left_out - self.refused
            found.append(
                f"texts without an answer: {missing:,}, since the server was given up: {self.failure}. What it "
                "answered is kept, and another run asks for the others"
            )
        return found


class Asker:
    """Puts requests to the server of the settings.

    Args:
        model: as the server names it; None: that of the settings, or its only one.
        most: texts to ask about, those with a known answer not counted; None: as the settings have it.

    Attributes:
        model: the name of the model that answers.
        url: who gets the texts.

    Raises:
        ConfigurationError: the settings name no server.
        TextServerError: no model was named, and the server has none or several, or does not answer.
    """

    def __init__(self, services: Services, model: str | None = None, *, most: int | None = None) -> None:
        self._server: OpenAiServer = services.text_server(model)
        self._file = AnswerFile(services.options.home / "answers.sqlite")
        self._most = services.options.prompts.most if most is None else most
        self.model, self.url = self._server.model, self._server.url

    @property
    def notes(self) -> list[str]:
        """Sentences on what the server was asked for and does not do."""
        names = ", ".join(sorted(self._server.refused))
        return [f"{self.url} takes no {names}, and was asked without"] if names else []

    def ask(
        self, requests: Iterable[ChatRequest], *, samples: int = 1, report: ProgressCallback = Progress.ignore
    ) -> AskedTexts:
        """Return the answers to requests, one per text; an answer is kept as soon as it is there.

        Texts come in order, so that another run goes on where the limit ended this one. Where the server fails, what it
        has answered is returned.

        Args:
            requests: taken as they are needed; those whose answers are known are not held in memory.
            samples: answers per text.
        """
        given: list[list[Completion | None]] = []
        missing: list[tuple[int, int, ChatRequest]] = []
        result, asked = AskedTexts([], concurrency=self._server.concurrency), 0
        for some in in_batches(requests, TEXTS_AT_ONCE):
            known = self._file.known([self._question(each, sample) for each in some for sample in range(samples)])
            for place, request in enumerate(some):
                found = [known.get(place * samples + sample) for sample in range(samples)]
                given.append([None if answer is None else _read(answer) for answer in found])
                if None not in found:
                    result.from_before += 1
                elif asked == self._most:
                    result.left_out += 1
                else:
                    asked += 1
                    missing += [(len(given) - 1, k, request) for k, answer in enumerate(found) if answer is None]
        try:
            self._fill(given, missing, result, _Remaining(len(missing), self.model, report))
        finally:
            self._server.close()
        # Of a text with fewer samples than were asked for, no share is known.
        result.answers = [[each for each in answers if each is not None and None not in answers] for answers in given]
        return result

    def _fill(
        self,
        given: list[list[Completion | None]],
        missing: Sequence[tuple[int, int, ChatRequest]],
        result: AskedTexts,
        progress: "_Remaining",
    ) -> None:
        """Ask for the missing answers: text, sample and request of each; keep them, and put them in their places."""
        refused, is_answering = set[int](), False
        try:
            for place, answer in self._server.complete([request for _, _, request in missing]):
                text, sample, request = missing[place]
                if isinstance(answer, Completion):
                    given[text][sample], is_answering = answer, True
                    self._file.keep(self._question(request, sample), json.dumps(answer._asdict()))
                else:
                    result.refusal = result.refusal or str(answer)
                    refused.add(text)
                    if len(refused) >= HOPELESS and not is_answering:
                        result.failure = answer
                        break
                progress.step()
        except TextServerError as error:
            result.failure = error
        result.refused = len(refused)

    def _question(self, request: ChatRequest, sample: int) -> str:
        return json.dumps([self.url, self.model, *request, sample])


class _Remaining:
    """Reports how many answers there are, and when the last will be."""

    def __init__(self, total: int, model: str, report: ProgressCallback) -> None:
        self._total, self._model, self._report = total, model, report
        self._start_s = time.monotonic()
        self.done = 0

    def step(self) -> None:
        """Take note of an answer."""
        self.done += 1
        left_s = (time.monotonic() - self._start_s) / self.done * (self._total - self.done)
        left = f"{left_s:.0f} s" if left_s < 120 else f"{left_s / 60:.0f} min"
        self._report(
            Progress(
                self.done / self._total,
                "asking",
                f"{self._model} gave {self.done:,} of {self._total:,} answers, {left} left",
            )
        )


def _read(answer: str) -> Completion:
    values = json.loads(answer)
    return Completion(**{**values, "tokens": tuple((token, log) for token, log in values["tokens"])})
