"""How a prompt and its response become tokens: by the tokenizer's chat template, else by a plain one."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...domain.conversation import SYSTEM, USER, turns_of
from ...errors import EncoderError
from ..base.long_texts import ending
from ..base.tokeniser import without_halves

__all__ = ["ChatFormat"]

_PLAIN_TEMPLATE = "### Instruction:\n{prompt}\n\n### Response:\n"
"""For models without a chat template: the form that most instruction sets of base models use (Taori et al. 2023)."""

MARK = "(the response)"

Turns = Sequence[tuple[str, str]]
"""Role and words of each."""


@dataclass(frozen=True, slots=True, eq=False)
class ChatFormat:
    """A tokenizer's way to write a prompt, which is a turn of a user or a conversation, and the response to it.

    Attributes:
        ending: token ids that close a response; the last one is also what ends generation.
        stop_ids: token ids that end generation.
    """

    tokenizer: Any
    has_chat_template: bool
    ending: tuple[int, ...]
    stop_ids: tuple[int, ...]

    def text(self, prompt: str) -> str:
        """The prompt as the model reads it, up to where its response begins."""
        return self._text(turns_of(prompt))

    def prompt_ids(self, prompt: str, *, most: int | None = None) -> tuple[list[int], bool]:
        """Token ids of the prompt within its template, and True where it was cut.

        What looks like a control token in the prompt is plain text: nobody writes another turn by way of a prompt.

        Args:
            most: a longer prompt loses its beginning, the template stays whole; so the result is longer than this
                only where the template alone is. A conversation loses whole turns, the system's last.
        """
        whole = without_halves(prompt)
        turns = turns_of(whole)
        if len(turns) > 1:
            return self._conversation_ids(turns, most)
        prompt = whole if most is None else ending(whole, most, lambda text: len(self._ids(text, is_plain=True)))
        ids = self._turn(prompt)
        if most is None or len(ids) <= most:
            return ids, prompt != whole
        starts = self._token_starts(prompt)
        cut = 0
        while len(ids) > most and cut < len(starts):
            # Tokens merge across the seams, so one cut may not be enough; each round cuts at least one token more.
            cut = min(cut + len(ids) - most, len(starts))
            ids = self._turn(prompt[starts[cut] :] if cut < len(starts) else "")
        return ids, True

    def response_ids(self, response: str) -> list[int]:
        """Token ids of a response, its ending included; what looks like a control token in it is plain text."""
        return [*self._ids(without_halves(response.strip()), is_plain=True), *self.ending]

    def decode(self, ids: list[int]) -> str:
        """The response that token ids stand for, without its ending."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        # A token may hold half a character: at the end of a response that was cut, nothing completes it.
        return text.rstrip("\ufffd").strip()

    def _conversation_ids(self, turns: Turns, most: int | None) -> tuple[list[int], bool]:
        opening, rest = (turns[:1], turns[1:]) if turns[0][0] == SYSTEM else ((), turns)
        ids = self._turns(turns)
        if most is None or len(ids) <= most:
            return ids, False
        cuts = range(1, len(rest))
        first = bisect_left(cuts, True, key=lambda cut: len(self._turns([*opening, *rest[cut:]])) <= most)
        if first == len(cuts):
            return self.prompt_ids(rest[-1][1], most=most)[0], True
        return self._turns([*opening, *rest[cuts[first] :]]), True

    def _turn(self, prompt: str) -> list[int]:
        return self._turns([(USER, prompt)])

    def _turns(self, turns: Turns) -> list[int]:
        if not self.has_chat_template:
            first = _first_id(self.tokenizer)
            return [*([] if first is None else [first]), *self._ids(self._text(turns), is_plain=True)]
        control_tokens = _control_tokens(self.tokenizer)
        if not any(token in words for _, words in turns for token in control_tokens):
            return self._ids(self._text(turns))
        # Piece by piece, which otherwise could part what the tokenizer joins across the seams.
        ids, template = [], self._text([(role, f"{MARK} {number}.") for number, (role, _) in enumerate(turns)])
        for number, (_, words) in enumerate(turns):
            before, _, template = template.partition(f"{MARK} {number}.")
            ids += [*self._ids(before), *self._ids(words, is_plain=True)]
        return [*ids, *self._ids(template)]

    def _text(self, turns: Turns) -> str:
        """Return the turns in the template; as one turn of a user where it has none, or takes no such conversation."""
        together = turns[0][1] if len(turns) == 1 else "\n".join(f"{role}: {words}" for role, words in turns)
        if not self.has_chat_template:
            return _PLAIN_TEMPLATE.format(prompt=together)
        try:
            return _rendered(self.tokenizer, [{"role": role, "content": words} for role, words in turns], is_open=True)
        except EncoderError:
            if len(turns) == 1:
                raise
        return _rendered(self.tokenizer, [{"role": USER, "content": together}], is_open=True)

    def _ids(self, text: str, *, is_plain: bool = False) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=is_plain)["input_ids"]
        return ids

    def _token_starts(self, text: str) -> list[int]:
        """Return the characters where the text's tokens begin; every character, where the tokenizer cannot tell."""
        if not self.tokenizer.is_fast:
            return list(range(len(text)))
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return [start for start, _ in encoded["offset_mapping"]]

    @classmethod
    def of(cls, tokenizer: Any, extra_stop_ids: tuple[int, ...] = ()) -> "ChatFormat":
        """The format of a tokenizer.

        Args:
            extra_stop_ids: what ends generation by the model's own settings.

        Raises:
            EncoderError: the chat template does not take a prompt.
        """
        has_template = bool(tokenizer.chat_template)
        ending = _ending(tokenizer) if has_template else ()
        if not ending:
            ending = (tokenizer.eos_token_id,) if tokenizer.eos_token_id is not None else ()
        stops = [*ending[-1:], tokenizer.eos_token_id, *extra_stop_ids]
        return cls(tokenizer, has_template, ending, tuple(dict.fromkeys(i for i in stops if i is not None)))


def _ending(tokenizer: Any) -> tuple[int, ...]:
    """Return what the chat template writes after a response, up to the first control token; empty where it has none."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": MARK}]
    after = _rendered(tokenizer, turns, is_open=False).rpartition(MARK)[2]
    ids: list[int] = tokenizer(after, add_special_tokens=False)["input_ids"]
    control = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for position, token in enumerate(ids):
        if token in control:
            return tuple(ids[: position + 1])
    return ()


def _control_tokens(tokenizer: Any) -> list[str]:
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    return [token for token in {*tokenizer.all_special_tokens, *added} if token]


def _rendered(tokenizer: Any, turns: list[dict[str, str]], *, is_open: bool) -> str:
    # Templates of models that think aloud know the switch, the others pass over it.
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=is_open, enable_thinking=False
        )
    except TemplateError as error:
        raise EncoderError(
            f"the chat template of {tokenizer.name_or_path!r} does not take a prompt of a user by itself: {error}; "
            "choose another base model, or take the template out of its tokenizer"
        ) from error
    return text


def _first_id(tokenizer: Any) -> int | None:
    """The token that the tokenizer puts before every text; None where it puts none."""
    bare, full = (tokenizer("a", add_special_tokens=is_full)["input_ids"] for is_full in (False, True))
    return full[0] if len(full) > len(bare) and full[0] != bare[0] else None
