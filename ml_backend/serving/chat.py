"""Requests to a model behind OpenAI's chat completions, and its answers."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["ChatRequest", "Completion"]

REFUSED = frozenset({400, 422, 501})
"""HTTP statuses of servers that do not know a parameter."""
NEW_LIMIT = "max_completion_tokens"
"""The name by which newer models want `max_tokens`."""


class ChatRequest(NamedTuple):
    """A conversation that ends with what is asked.

    Attributes:
        turns: role and text of each, the last one a user's.
        schema: JSON schema of the answer; None: free text.
        max_tokens: most tokens of the answer.
    """

    turns: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any] | None = None
    temperature: float = 0.0
    max_tokens: int = 256

    def parameters(self, model: str, left_out: Iterable[str]) -> dict[str, Any]:
        """Return the parameters of the call.

        Args:
            left_out: those that the server refuses; `max_completion_tokens` among them: it wants that instead of
                `max_tokens`.
        """
        messages = [{"role": role, "content": text} for role, text in self.turns]
        limit = NEW_LIMIT if NEW_LIMIT in left_out else "max_tokens"
        kept = {name: value for name, value in self._wishes().items() if name not in left_out}
        return {"model": model, "messages": messages, limit: self.max_tokens, **kept}

    def given_up(self, status: int, message: str, left_out: frozenset[str]) -> frozenset[str]:
        """Return what to leave out next, after a refusal; empty where nothing is left to try.

        Args:
            message: what the server said; a parameter that it names is the one to leave out.
            left_out: what the refused call had left out.
        """
        if status not in REFUSED:
            return frozenset()
        if NEW_LIMIT in message and NEW_LIMIT not in left_out:
            return frozenset({NEW_LIMIT})
        sent = [name for name in self._wishes() if name not in left_out]
        named = [name for name in sent if name in message]
        return frozenset(named[:1] or sent[:1])

    def _wishes(self) -> dict[str, Any]:
        """Return what some servers refuse, in the order in which it is given up where the server names none."""
        wishes: dict[str, Any] = {"logprobs": True}
        if self.schema is not None:
            named = {"name": "answer", "strict": True, "schema": self.schema}
            wishes["response_format"] = {"type": "json_schema", "json_schema": named}
        return {**wishes, "temperature": self.temperature}


class Completion(NamedTuple):
    """An answer to a request.

    Attributes:
        tokens: text and log-probability of each token; empty where the server gives none.
        prompt_tokens, completion_tokens: as the server counts them; None where it does not.
        seconds: from the request to the answer.
        is_complete: False where the answer was cut at its most tokens.
    """

    text: str
    tokens: tuple[tuple[str, float], ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    is_complete: bool = True

    @classmethod
    def of(cls, answer: Mapping[str, Any], seconds: float) -> "Completion":
        """Read the JSON of an answer.

        Raises:
            KeyError, TypeError, AttributeError, ValueError: it is none.
        """
        choice = answer["choices"][0]
        usage = answer.get("usage") or {}
        tokens = (choice.get("logprobs") or {}).get("content") or ()
        return cls(
            str(choice["message"].get("content") or ""),
            tuple((str(each["token"]), float(each["logprob"])) for each in tokens),
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
            round(seconds, 4),
            choice.get("finish_reason") != "length",
        )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
