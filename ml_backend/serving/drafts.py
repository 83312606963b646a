"""Drafts of responses as answers to a control."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from ..domain.model import ScoredTarget
from ..errors import EncoderError
from ..models.generation.generator import Draft, TextGenerator
from ..models.generation.writers import base_generator
from ..models.graphs.fastest import AUTO

__all__ = ["Writer", "draft_answers", "shared_writer"]

log = logging.getLogger(__name__)

UNKNOWN_CONFIDENCE = 0.5
"""Score of a draft whose writer does not say how sure it is."""

_writers: dict[tuple[str, float | None], "_BaseWriter"] = {}
_writers_lock = threading.Lock()


class Writer(Protocol):
    """A model or a server that writes responses."""

    def generate(self, prompts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> list[Draft]:
        """Return one draft per prompt, in the order given."""


class _BaseWriter:
    """An untuned base model, loaded when it is first asked. Safe to use from several threads.

    Where it cannot be loaded, it writes nothing and logs that once: other controls can be answered without it.
    """

    def __init__(self, load: Callable[[], TextGenerator]) -> None:
        self._load = load
        self._generator: TextGenerator | None = None
        self._is_broken = False
        self._lock = threading.Lock()

    def generate(self, prompts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> list[Draft]:
        """Return one draft per prompt, in the order given; empty ones where there is no base model."""
        generator = self._loaded()
        if generator is None:
            return [Draft("", 0, is_complete=False) for _ in prompts]
        return generator.generate(prompts, on_rows=on_rows)

    def _loaded(self) -> TextGenerator | None:
        with self._lock:
            if self._generator is None and not self._is_broken:
                try:
                    self._generator = self._load()
                except EncoderError as error:
                    self._is_broken = True
                    log.warning("there are no drafts before the first version is trained: %s", error)
            return self._generator


def shared_writer(
    base_model: str, budget_s: float | None, *, graphs: Path | None = None, runtime: str = AUTO
) -> _BaseWriter:
    """Return this process's only untuned base model of this name.

    Args:
        graphs: folder of what versions over one base model share; None: torch computes it.
        runtime: as in the setting `LABELLOOP_RUNTIME`.
    """
    with _writers_lock:
        load = partial(base_generator, base_model, graphs=graphs, runtime=runtime, budget_s=budget_s)
        return _writers.setdefault((base_model, budget_s), _BaseWriter(load))


def draft_answers(writer: Writer, prompts: Sequence[str]) -> list[ScoredTarget | None]:
    """Return a writer's answer to each prompt; None where it wrote nothing.

    The score of a draft is the geometric mean of the probabilities of its tokens: it orders drafts by how sure their
    writer was of the words, and is not the chance that an expert would accept them.
    """
    return [
        ScoredTarget(draft.text, UNKNOWN_CONFIDENCE if draft.confidence is None else draft.confidence, {})
        if draft.text
        else None
        for draft in writer.generate(prompts)
    ]
