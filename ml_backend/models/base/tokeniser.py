"""Texts to token ids, as the base model's own tokenizer cuts them."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...arrays import Ints
from ...errors import EncoderError
from .base_model import BaseModelFiles
from .long_texts import beginning

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["FastTokeniser", "LocatedTokens", "Tokeniser", "load_tokeniser", "tokeniser_of", "without_halves"]


@dataclass(frozen=True, slots=True, eq=False)
class LocatedTokens:
    """The tokens of a text.

    Attributes:
        ids: of the tokens.
        spans: the characters that each token stands for, from and to, in code points, shape (T, 2).
        words: number of the word that each token belongs to, None where the tokenizer knows no words.
    """

    ids: Sequence[int]
    spans: Ints
    words: Sequence[int | None]


class Tokeniser(Protocol):
    """A tokenizer, as far as an encoder needs one. Safe to use from several threads."""

    @property
    def pad_id(self) -> int:
        """Token id that fills up a batch; masked, so any valid one does."""

    @property
    def unknown_id(self) -> int | None:
        """The token id of unknown text; None where nothing is unknown, as in a vocabulary of bytes."""

    def ids(self, texts: Sequence[str], max_length_tokens: int) -> list[list[int]]:
        """Token ids per text, special tokens included, cut to the maximum length."""

    def locate(self, texts: Sequence[str]) -> list[LocatedTokens]:
        """Every token of every text with where it stands, special tokens left out, nothing cut.

        Raises:
            EncoderError: the tokenizer cannot tell.
        """

    def frame(self) -> tuple[list[int], list[int]]:
        """The special tokens that the model expects before a text, and after it."""


class FastTokeniser:
    """A tokenizer that is one file, `tokenizer.json`; needs neither torch nor transformers.

    Args:
        tokenizer: it is kept, and changed.
    """

    def __init__(self, tokenizer: "Tokenizer", pad_id: int) -> None:
        from tokenizers import Tokenizer

        self._pad_id = pad_id
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._whole = tokenizer
        self._serialised = tokenizer.to_str()
        self._load = Tokenizer.from_str
        # Where a tokenizer cuts is part of its state, and threads share it: one for each length.
        self._cutting: dict[int, Tokenizer] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[FastTokeniser], tuple[Tokenizer, int]]":
        return FastTokeniser, (self._whole, self._pad_id)  # a lock cannot be pickled

    @classmethod
    def read(cls, file: Path, pad_id: int) -> "FastTokeniser":
        """The tokenizer of a `tokenizer.json`."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_file(str(file)), pad_id)

    @property
    def pad_id(self) -> int:
        return self._pad_id

    @cached_property
    def unknown_id(self) -> int | None:
        model = json.loads(self._serialised)["model"]
        if model["type"] == "Unigram":
            return None if model["unk_id"] is None else int(model["unk_id"])
        name = model.get("unk_token")
        return None if name is None else self._whole.token_to_id(name)

    def save(self, file: Path) -> None:
        """Write it as a `tokenizer.json`."""
        file.write_text(self._serialised, encoding="utf-8")

    def ids(self, texts: Sequence[str], max_length_tokens: int) -> list[list[int]]:
        cutting = self._cutting.get(max_length_tokens) or self._cut_to(max_length_tokens)
        read = [without_halves(beginning(text, max_length_tokens, self._count)) for text in texts]
        return [encoding.ids for encoding in cutting.encode_batch_fast(read)]

    def locate(self, texts: Sequence[str]) -> list[LocatedTokens]:
        encodings = self._whole.encode_batch([without_halves(text) for text in texts], add_special_tokens=False)
        return [
            LocatedTokens(each.ids, np.array(each.offsets, dtype=np.int64).reshape(-1, 2), each.word_ids)
            for each in encodings
        ]

    def frame(self) -> tuple[list[int], list[int]]:
        probe = self._whole.encode("a")
        return _frame(probe.ids, probe.special_tokens_mask)

    def _count(self, text: str) -> int:
        return len(self._whole.encode_batch_fast([without_halves(text)], add_special_tokens=False)[0].ids)

    def _cut_to(self, max_length_tokens: int) -> "Tokenizer":
        with self._lock:
            if max_length_tokens not in self._cutting:
                cutting = self._load(self._serialised)
                cutting.enable_truncation(max_length_tokens)
                self._cutting[max_length_tokens] = cutting
            return self._cutting[max_length_tokens]


class _SlowTokeniser:
    """A tokenizer of transformers that is written in Python."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        self._tokenizer, self._name = tokenizer, name
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[_SlowTokeniser], tuple[Any, str]]":
        return _SlowTokeniser, (self._tokenizer, self._name)

    @property
    def pad_id(self) -> int:
        return int(self._tokenizer.pad_token_id)

    @property
    def unknown_id(self) -> int | None:
        token_id = self._tokenizer.unk_token_id
        return None if token_id is None else int(token_id)

    def ids(self, texts: Sequence[str], max_length_tokens: int) -> list[list[int]]:
        with self._lock:
            rows: list[list[int]] = self._tokenizer(
                [without_halves(beginning(text, max_length_tokens, self._count)) for text in texts],
                truncation=True,
                max_length=max_length_tokens,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
        return rows

    def _count(self, text: str) -> int:
        return len(self._tokenizer(without_halves(text), add_special_tokens=False, verbose=False)["input_ids"])

    def locate(self, texts: Sequence[str]) -> list[LocatedTokens]:  # noqa: ARG002 (the shape of every tokeniser)
        raise EncoderError(
            f"the tokenizer of {self._name!r} cannot tell where in a text its tokens stand, which entities "
            "need; choose a base model that has a tokenizer.json"
        )

    def frame(self) -> tuple[list[int], list[int]]:
        with self._lock:
            probe = self._tokenizer("a", return_special_tokens_mask=True)
        return _frame(probe["input_ids"], probe["special_tokens_mask"])


def load_tokeniser(name: str) -> Tokeniser:
    """Load the tokeniser of a base model, by Hugging Face name or folder, without the model.

    Raises:
        EncoderError: it cannot be found or loaded.
    """
    files = BaseModelFiles(name)
    files.check_config()
    file = files.file("tokenizer.json")
    try:
        if file is not None:
            return FastTokeniser.read(file, pad_id=0)
        from transformers import AutoTokenizer

        return tokeniser_of(AutoTokenizer.from_pretrained(files.source, trust_remote_code=False), name)
    except Exception as error:  # the tokenizers library raises nothing more special
        raise EncoderError(files.failure(error)) from error


def tokeniser_of(tokenizer: Any, name: str) -> Tokeniser:
    """The tokenizer of transformers as a tokeniser.

    Args:
        name: of the base model, for messages.
    """
    if not tokenizer.is_fast:
        return _SlowTokeniser(tokenizer, name)
    from tokenizers import Tokenizer

    return FastTokeniser(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), int(tokenizer.pad_token_id))


def without_halves(text: str) -> str:
    """The text with halves of surrogate pairs replaced: Label Studio lets them through, and tokenizers refuse them."""
    return text.encode(errors="replace").decode()


def _frame(ids: Sequence[int], is_special: Sequence[int]) -> tuple[list[int], list[int]]:
    marked = list(zip(ids, is_special, strict=True))
    first = next(i for i, (_, is_mark) in enumerate(marked) if not is_mark)
    rest = marked[first:]
    return [i for i, _ in marked[:first]], [i for i, is_mark in rest if is_mark]
