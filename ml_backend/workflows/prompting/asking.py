"""Put requests to a text server: each once in the life of a home folder, side by side, and counted."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
                f"{self.left_out:,} texts were not asked about: the limit for one run is reached; another run goes on, "
                f"and {PREFIX}PROMPT_MOST moves it"
            )
        if self.refused:
            found.append(f"the server refused {self.refused:,} texts, the first because {self.refusal}")
        if self.failure is not None:
            missing = sum(not answers for answers in self.answers) - self.left_out - self.refused
            found.append(
                f"{missing:,} texts have no answer, since the server was given up: {self.failure}. What it answered is "
                "kept, and another run asks for the others"
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
        self, requests: Sequence[ChatRequest], *, samples: int = 1, report: ProgressCallback = Progress.ignore
    ) -> AskedTexts:
        """Return the answers to requests, one per text; an answer is kept as soon as it is there.

        Texts come in order, so that another run goes on where the limit ended this one. Where the server fails, what it
        has answered is returned.

        Args:
            samples: answers per text.
        """
        questions = [self._question(request, sample) for request in requests for sample in range(samples)]
        known = {number: Completion(**_read(answer)) for number, answer in self._file.known(questions).items()}
        missing = [k for k in range(len(requests)) if any(k * samples + s not in known for s in range(samples))]
        asked, left_out = missing[: self._most], missing[self._most :]
        open_numbers = [n for k in asked for n in range(k * samples, (k + 1) * samples) if n not in known]
        result = AskedTexts([], len(requests) - len(missing), len(left_out), concurrency=self._server.concurrency)
        refused, is_answering = set[int](), False
        progress = _Remaining(len(open_numbers), self.model, report)
        try:
            for place, answer in self._server.complete([requests[number // samples] for number in open_numbers]):
                number = open_numbers[place]
                if isinstance(answer, Completion):
                    known[number], is_answering = answer, True
                    self._file.keep(questions[number], json.dumps(answer._asdict()))
                else:
                    result.refusal = result.refusal or str(answer)
                    refused.add(number // samples)
                    if len(refused) >= HOPELESS and not is_answering:
                        result.failure = answer
                        break
                progress.step()
        except TextServerError as error:
            result.failure = error
        result.refused = len(refused)
        result.answers = [_whole([known.get(k * samples + s) for s in range(samples)]) for k in range(len(requests))]
        return result

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


def _whole(samples: Sequence[Completion | None]) -> list[Completion]:
    """Return the samples where all are there; else none, so that shares are of all."""
    found = [each for each in samples if each is not None]
    return found if len(found) == len(samples) else []


def _read(answer: str) -> dict[str, Any]:
    values = json.loads(answer)
    return {**values, "tokens": tuple((token, log) for token, log in values["tokens"])}
