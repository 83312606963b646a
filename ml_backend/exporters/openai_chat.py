"""`openai-chat`: conversations as OpenAI's fine-tuning takes them, and most other trainers too."""

from array import array
from collections.abc import Iterator

from ..domain.example import Row
from ..domain.row_json import to_line
from .base import ExportRequest, LineExporter, Lines, encodable
from .completions import LIMITS, pair_of
from .token_count import TokenCounter

__all__ = ["OpenaiChat"]

LEAST_EXAMPLES = 10
MOST_TOKENS = 65_536
MOST_BYTES = 512 * 2**20
# What wraps a message and opens the answer, by OpenAI's own counting.
TOKENS_PER_MESSAGE, TOKENS_PER_EXAMPLE = 4, 3
NAMED_TASKS = 10


class OpenaiChat(LineExporter):
    """`{"messages": [...]}` per line: system (where one is given), user, assistant, none of them empty.

    The rules are those of OpenAI's fine-tuning guide (Supervised fine-tuning, Formatting your data).
    """

    name = "openai-chat"
    description = 'One conversation per line: {"messages": [system, user: the text, assistant: the answer]}.'
    limits = LIMITS
    suffix = ".jsonl"
    carries_one_control = True
    needs_config = False

    def lines(self, wish: ExportRequest) -> Lines:
        return _Conversations(wish)


class _Conversations(Lines):
    def __init__(self, wish: ExportRequest) -> None:
        self._wish = wish
        self._system = encodable(wish.system_prompt).strip()
        self._counter = TokenCounter()
        self._examples = self._tokens = self._longest = self._bytes = 0
        self._too_long = array("q")

    def text_of(self, row: Row) -> str:
        prompt, completion = pair_of(row, self._wish)
        messages = [{"role": "system", "content": self._system}] if self._system else []
        messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
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
