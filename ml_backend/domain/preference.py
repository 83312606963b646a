"""Two responses to a prompt, of which a person preferred one, and how trainers of language models hold such pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .conversation import prompt_of, turns_of

__all__ = ["Preference"]


@dataclass(frozen=True, slots=True)
class Preference:
    """A prompt, the response that a person preferred, and the other one.

    Attributes:
        prompt: as a language model reads it, see `as_prompt`; it may be empty.
        task_ids: of the tasks that it comes from; empty where it comes from a file.
    """

    prompt: str
    chosen: str
    rejected: str
    task_ids: tuple[int, ...] = ()

    def to_json(self, *, is_conversation: bool) -> dict[str, Any]:
        """Return `prompt`, `chosen` and `rejected` as the DPOTrainer of trl documents them.

        Args:
            is_conversation: all three are lists of messages, `{"role", "content"}`; else they are texts.
        """
        values = {"prompt": self.prompt, "chosen": self.chosen, "rejected": self.rejected}
        if not is_conversation:
            return values
        return {
            name: _messages(turns_of(text) if name == "prompt" else [("assistant", text)])
            for name, text in values.items()
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the preference that `to_json` has written, in either form.

        Raises:
            ValueError: it is something else; the message says what is missing.
        """
        if not isinstance(value, Mapping):
            raise ValueError(f"{type(value).__name__} found; wanted an object")
        prompt = value.get("prompt")
        chosen, rejected = (_response(value.get(name), name) for name in ("chosen", "rejected"))
        if isinstance(prompt, list):
            prompt = prompt_of([_turn(each, "prompt") for each in prompt])
        if not isinstance(prompt, str):
            raise ValueError("no prompt found; wanted a text or a list of messages under 'prompt'")
        return cls(prompt, chosen, rejected)


def _messages(turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": words} for role, words in turns]


def _response(value: object, name: str) -> str:
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError(f"{len(value)} messages found under {name!r}; wanted one of the assistant")
        role, value = _turn(value[0], name)
        if role != "assistant":
            raise ValueError(f"a message of the {role} found under {name!r}; wanted one of the assistant")
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"no response found under {name!r}; wanted a text, or a list of one message")
    return value


def _turn(value: object, name: str) -> tuple[str, str]:
    if isinstance(value, Mapping):
        role, words = value.get("role"), value.get("content")
        if role in ("user", "assistant", "system") and isinstance(words, str):
            return str(role), words
    raise ValueError(
        f"{value!r} found under {name!r}; wanted messages with a role (user, assistant or system) and a content"
    )
