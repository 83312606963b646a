"""`openai-chat`: conversations as OpenAI's fine-tuning takes them, and most other trainers too."""

import importlib
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..domain.example import Row
from ..domain.row_json import to_line
from .base import ExportRequest, RowCounter
from .limits import encodable
from .prompt_completion import PromptCompletion

__all__: list[str] = []

LEAST_EXAMPLES = 10
MOST_TOKENS = 65_536
MOST_BYTES = 512 * 2**20
# What wraps a message and opens the answer, by OpenAI's own counting.
TOKENS_PER_MESSAGE, TOKENS_PER_EXAMPLE = 4, 3
NAMED_TASKS = 10
ENCODING = "o200k_base"
"""The encoding of GPT-4o and all later models."""
BYTES_PER_TOKEN = 4


class OpenaiChat(PromptCompletion):
    """`{"messages": [...]}` per line: system (where one is given), user, assistant, none of them empty.

    Where a dialogue is answered, all of its turns stand before the answer, each in its role.

    The rules are those of OpenAI's fine-tuning guide (Supervised fine-tuning, Formatting your data).
    """

    name = "openai-chat"
    description = (
        'One conversation per line: {"messages": [system, user: the text, or the turns of a dialogue, assistant: the '
        "answer]}."
    )

    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:
        conversations = _Conversations(request)
        yield from counter.convert(rows, conversations.line_of)
        counter.notices += conversations.notices()


class _Conversations:
    def __init__(self, request: ExportRequest) -> None:
        self._request = request
        self._system = encodable(request.system_prompt).strip()
        self._counter = _TokenCounter()
        self._examples = self._tokens = self._longest = self._bytes = 0
        self._too_long = array("q")

    def line_of(self, row: Row) -> str:
        _, completion = PromptCompletion.prompt_and_completion(row, self._request)
        messages = [{"role": "system", "content": self._system}] if self._system else []
        messages += [{"role": role, "content": encodable(words)} for role, words in self._request.turns(row)]
        messages.append({"role": "assistant", "content": completion})
        tokens = TOKENS_PER_EXAMPLE + sum(
            TOKENS_PER_MESSAGE + self._counter.count(message["content"]) for message in messages
        )
        line = to_line({"messages": messages})
        self._examples += 1
        self._bytes += len(line.encode())
        self._tokens += tokens
        self._longest = max(self._longest, tokens)
        if tokens > MOST_TOKENS:
            self._too_long.append(row.task_id)
        return line

    def notices(self) -> Iterator[str]:
        about = "" if self._counter.is_exact else "about "
        if self._examples:
            mean = self._tokens / self._examples
            yield f"{about}{self._tokens:,} tokens in all, {mean:,.0f} a row, {self._longest:,} in the longest"
        if self._examples < LEAST_EXAMPLES:
            yield f"{self._examples} conversations; OpenAI wants at least {LEAST_EXAMPLES}"
        if self._bytes > MOST_BYTES:
            yield f"{self._bytes:,} bytes; OpenAI takes files of up to {MOST_BYTES:,}: split the file by lines"
        if self._too_long:
            named = ", ".join(map(str, self._too_long[:NAMED_TASKS]))
            more = ", ..." if len(self._too_long) > NAMED_TASKS else ""
            yield (
                f"{len(self._too_long)} conversations are longer than {MOST_TOKENS:,} tokens, and OpenAI cuts such at "
                f"the end: tasks {named}{more}"
            )


class _TokenCounter:
    """Counts exactly where the package `bpe-openai` is installed, which holds the encoding; else by the bytes.

    Attributes:
        is_exact: the former.
    """

    def __init__(self) -> None:
        encoding = _encoding()
        self.is_exact = encoding is not None
        self._encode: Callable[[str], Any] | None = encoding

    def count(self, text: str) -> int:
        """Return the number of tokens."""
        if self._encode is None:
            return -(-len(text.encode()) // BYTES_PER_TOKEN)
        return len(self._encode(text))


def _encoding() -> Callable[[str], Any] | None:
    with warnings.catch_warnings():
        # It reads its data in a way that Python calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            library: Any = importlib.import_module("bpe_openai")
        except ModuleNotFoundError:
            return None
        encode: Callable[[str], Any] = library.get_encoding(ENCODING).encode_ordinary
    return encode
