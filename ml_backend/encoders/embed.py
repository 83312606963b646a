"""Texts to vectors of the last layer, scaled to length 1: one per text by mean pooling, or one per piece of a text."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import EncoderError
from .base_model import DEFAULT_BASE_MODEL, Backbone, load_backbone
from .reading import Places, Reading, whole_texts

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

__all__ = [
    "DEFAULT_MAX_LENGTH_TOKENS",
    "Floats2d",
    "LocatedTokens",
    "TextEncoder",
    "compute_context",
    "cpu_has_bf16",
    "padded",
    "token_batches",
    "unit_vectors",
    "whole",
]

Floats2d: TypeAlias = npt.NDArray[np.float32]
"""Shape (N, D) or (N, K)."""

DEFAULT_MAX_LENGTH_TOKENS = 256
CHUNK_ROWS = 1024
TOKENS_PER_BATCH = 4096


class TextEncoder:
    """A backbone with its tokenizer, made into a function from texts to vectors. Safe to use from several threads.

    Args:
        max_length_tokens: longer texts are cut; bounded by what the backbone can read.
        use_bf16: None: where the CPU computes with it natively, which is then faster at no measured loss.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        max_length_tokens: int = DEFAULT_MAX_LENGTH_TOKENS,
        use_bf16: bool | None = None,
    ) -> None:
        self.backbone = backbone
        self.max_length_tokens = min(max_length_tokens, backbone.max_length_tokens or max_length_tokens)
        self.use_bf16 = cpu_has_bf16() if use_bf16 is None else use_bf16
        # Fast tokenizers keep truncation as state and refuse to be used by two threads at the same time.
        self._tokenizer_lock = threading.Lock()
        self._frame: tuple[list[int], list[int]] | None = None

    @classmethod
    def load(
        cls, base_model: str = DEFAULT_BASE_MODEL, *, max_length_tokens: int = DEFAULT_MAX_LENGTH_TOKENS
    ) -> "TextEncoder":
        """An encoder by the base model's name or folder.

        Raises:
            EncoderError: see `load_backbone`.
        """
        return cls(load_backbone(base_model), max_length_tokens=max_length_tokens)

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return self.backbone.hidden_size

    @property
    def pad_id(self) -> int:
        """Token id that fills up a batch; masked, so any valid one does."""
        return int(self.backbone.tokenizer.pad_token_id)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids per text, special tokens included, cut to the maximum length; never empty."""
        if not texts:
            return []
        with self._tokenizer_lock:
            ids = self.backbone.tokenizer(
                [whole(text) for text in texts],
                truncation=True,
                max_length=self.max_length_tokens,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
        # Decoders' tokenizers add no special tokens, so an empty text would be an empty row.
        return [row or [self.pad_id] for row in ids]

    def locate(self, texts: Sequence[str]) -> list["LocatedTokens"]:
        """Every token of every text with where it stands, special tokens left out, nothing cut.

        Raises:
            EncoderError: the model's tokenizer cannot tell where its tokens stand.
        """
        tokenizer = self.backbone.tokenizer
        if not tokenizer.is_fast:
            raise EncoderError(
                f"the tokenizer of {self.backbone.name!r} cannot tell where in a text its tokens stand, which entities "
                "need; choose a base model that has a tokenizer.json"
            )
        if not texts:
            return []
        with self._tokenizer_lock:
            found = tokenizer(
                [whole(text) for text in texts],
                add_special_tokens=False,
                truncation=False,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                return_offsets_mapping=True,
                verbose=False,
            )
        return [
            LocatedTokens(ids, np.array(offsets, dtype=np.int64).reshape(-1, 2), found.word_ids(i))
            for i, (ids, offsets) in enumerate(zip(found["input_ids"], found["offset_mapping"], strict=True))
        ]

    def framed(self, ids: Sequence[int]) -> tuple[list[int], int]:
        """Token ids with the special tokens that the model expects around them, and how many of these come first."""
        if self._frame is None:
            with self._tokenizer_lock:
                probe = self.backbone.tokenizer("a", return_special_tokens_mask=True)
            ids_and_marks = list(zip(probe["input_ids"], probe["special_tokens_mask"], strict=True))
            first = next(i for i, (_, is_mark) in enumerate(ids_and_marks) if not is_mark)
            rest = ids_and_marks[first:]
            self._frame = [i for i, _ in ids_and_marks[:first]], [i for i, is_mark in rest if is_mark]
        before, after = self._frame
        return [*before, *ids, *after] or [self.pad_id], len(before)

    def embed(self, texts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        """One vector of length 1 per text, shape (N, D), in the order given.

        Args:
            on_rows: told how many rows are done after every batch; what it raises passes through.
        """
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(texts), CHUNK_ROWS):
            reading = whole_texts(self.tokenise(texts[start : start + CHUNK_ROWS]))
            vectors[start : start + len(reading.sequences)] = self.vectors(
                reading, on_rows=_counted_from(start, on_rows)
            )
        return vectors

    def vectors(self, reading: Reading, *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        """What a head reads: one vector per unit, shape (U, D), or (U, D + S) with what the reading adds.

        Args:
            on_rows: told how many sequences are done after every batch; what it raises passes through.
        """
        import torch

        found = np.zeros((reading.units, self.width), dtype=np.float32)
        done = 0
        for batch in token_batches([len(row) for row in reading.sequences]):
            ids, mask = padded([reading.sequences[i] for i in batch], self.pad_id)
            with torch.inference_mode(), compute_context(self.use_bf16):
                features = unit_vectors(self.backbone.module, ids, mask, reading.places_of(batch))
            found[reading.units_of_sequences(batch)] = features.float().numpy()
            done += len(batch)
            if on_rows is not None:
                on_rows(done)
        return found if reading.added is None else np.concatenate([found, reading.added], axis=1)


def _counted_from(start: int, on_rows: Callable[[int], None] | None) -> Callable[[int], None] | None:
    return None if on_rows is None else lambda rows: on_rows(start + rows)


@dataclass(frozen=True, slots=True, eq=False)
class LocatedTokens:
    """The tokens of a text.

    Attributes:
        ids: of the tokens.
        spans: the characters that each token stands for, from and to, in code points, shape (T, 2).
        words: number of the word that each token belongs to, None where the tokenizer knows no words.
    """

    ids: Sequence[int]
    spans: npt.NDArray[np.int64]
    words: Sequence[int | None]


def whole(text: str) -> str:
    """The text with halves of surrogate pairs replaced: Label Studio lets them through, and tokenizers refuse them."""
    return text.encode(errors="replace").decode()


def token_batches(lengths: Sequence[int], *, tokens_per_batch: int = TOKENS_PER_BATCH) -> Iterator[list[int]]:
    """Indices in batches of like length, longest first, each at most `tokens_per_batch` tokens with its padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens_per_batch:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]], pad_id: int) -> "tuple[torch.Tensor, torch.Tensor]":
    """Token ids filled up on the right and their attention mask, both (N, T) of int64."""
    import torch

    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[index, : len(row)] = 1
    return ids, mask


def unit_vectors(
    module: "torch.nn.Module", ids: "torch.Tensor", mask: "torch.Tensor", places: Places | None
) -> "torch.Tensor":
    """Means over the last layer's vectors of the tokens that a head reads, of length 1, shape (U, D), in fp32.

    Args:
        ids: shape (N, T), `mask` likewise: 1 for real tokens.
        places: the tokens of each unit; None: all real ones of each row.
    """
    import torch
    from torch.nn import functional

    hidden: torch.Tensor = module(input_ids=ids, attention_mask=mask).last_hidden_state
    if places is None:
        weights = mask.unsqueeze(-1).to(torch.float32)
        mean = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
        return functional.normalize(mean, dim=1)
    rows, firsts, ends = (torch.from_numpy(place) for place in places)
    # Sums up to each token: the sum over a unit is a difference of two.
    sums = functional.pad(hidden.float().cumsum(dim=1), (0, 0, 1, 0))
    mean = (sums[rows, ends] - sums[rows, firsts]) / (ends - firsts).unsqueeze(-1)
    return functional.normalize(mean, dim=1)


def cpu_has_bf16() -> bool:
    """True where the CPU multiplies bf16 matrices natively (AVX512-BF16 or AMX)."""
    import torch

    # Older versions of torch cannot be asked; fp32 is always right, only slower.
    ask = getattr(torch.cpu, "get_capabilities", None)
    capabilities = ask() if ask is not None else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def compute_context(use_bf16: bool) -> "AbstractContextManager[object]":
    """The precision that matrix products run in: bf16 by autocast, or fp32."""
    import torch

    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=use_bf16)
