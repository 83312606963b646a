"""The train rows that a prompt shows beside a text: those most like it."""

from collections.abc import Iterator, Sequence

import numpy as np

from ...arrays import Floats2d
from ...batches import in_batches
from ...domain.example import Row, Target
from ...domain.field_texts import readable_text
from ...domain.progress import Progress, ProgressCallback
from ...domain.snapshot import normal_form
from ...tasks import ServedControl
from ..features import TextFeatures
from ..services import Services

__all__ = ["NearestExamples", "prompt_text"]

TEXTS_AT_ONCE = 1024


def prompt_text(served: ServedControl, text: str) -> str:
    """Return what a model is shown of a task: the text that is marked, or all as people read it."""
    return served.control.text_in(text) if served.control.marks_regions else readable_text(text)


class NearestExamples:
    """Rows that people labeled, by how close they are to a text: by the cosine of the frozen base model's vectors.

    Args:
        rows: train rows; those that do not answer the control are left out.

    Raises:
        EncoderError: the base model cannot be loaded.
    """

    def __init__(
        self, services: Services, served: ServedControl, rows: Sequence[Row], report: ProgressCallback = Progress.ignore
    ) -> None:
        self._served, self._report = served, report
        self._rows = [row for row in rows if served.name in row.targets]
        self._forms = np.array([normal_form(row.text) for row in self._rows], dtype=object)
        self._features: TextFeatures | None = None
        self._vectors: Floats2d | None = None
        self._services = services

    def of(self, texts: Sequence[str], count: int) -> Iterator[list[tuple[str, Target]]]:
        """Yield the examples for each text, the nearest first: what is shown of them, and people's answers.

        A row with the same text is none, so that no answer is given away.
        """
        if not count or not self._rows:
            yield from ([] for _ in texts)
            return
        for block in in_batches(texts, TEXTS_AT_ONCE):
            closeness = self._embed(block) @ self._own_vectors().T
            for text, row in zip(block, closeness, strict=True):
                own = np.flatnonzero(self._forms == normal_form(text))
                row[own] = -np.inf
                nearest = np.argsort(-row, kind="stable")[: min(count, len(self._rows) - len(own))]
                yield [self._example(self._rows[k]) for k in nearest.tolist()]

    def _example(self, row: Row) -> tuple[str, Target]:
        return prompt_text(self._served, row.text), row.targets[self._served.name]

    def _own_vectors(self) -> Floats2d:
        if self._vectors is None:
            self._vectors = self._embed([row.text for row in self._rows])
        return self._vectors

    def _embed(self, texts: Sequence[str]) -> Floats2d:
        from ...models.text.torch_encoder import TextEncoder

        if self._features is None:
            encoder = TextEncoder.load(self._services.options.models.base_model)
            self._features = TextFeatures(self._services, encoder)
        return self._features.of([readable_text(text) for text in texts], self._report)
