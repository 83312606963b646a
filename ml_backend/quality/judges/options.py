"""Any number of a text's own options per row."""

from collections.abc import Sequence

import numpy as np

from ...domain.example import Target, parts_of
from ..annotations import AnnotatedRow, AnswerMatrix
from ..label_errors import label_errors
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings
from .option import OptionJudge

__all__: list[str] = []


class OptionsJudge(OptionJudge):
    """Judges each option by itself, whatever the text: that it was chosen, or that it was not."""

    head = "options"

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, _answers: AnswerMatrix, /
    ) -> LabelFindings:
        if predictions.texts is None:
            raise TypeError("chances of options without the texts that offer them found; wanted both")
        names = [predictions.texts.names[row.position] for row in rows]
        chosen = [
            np.array([name in parts_of(row.agreed or ()) for name in ids], dtype=np.int64)
            for row, ids in zip(rows, names, strict=True)
        ]
        units = predictions.texts.units_of(np.array([row.position for row in rows]))
        chance = np.asarray(predictions.probabilities[units, 0], dtype=np.float64)
        flat = np.concatenate([*chosen, np.zeros(0, dtype=np.int64)])
        errors = label_errors(flat, np.stack([1 - chance, chance], axis=1))
        quality, is_error = np.ones(len(rows)), np.zeros(len(rows), dtype=np.bool_)
        suggested: list[Target | None] = []
        start = 0
        for i, (own, ids) in enumerate(zip(chosen, names, strict=True)):
            part = slice(start, start := start + len(own))
            wrong = errors.is_error[part]
            quality[i], is_error[i] = errors.quality[part].min(initial=1.0), bool(wrong.any())
            right = np.where(wrong, 1 - own, own)
            suggested.append(tuple(sorted(name for name, each in zip(ids, right.tolist(), strict=True) if each)))
        return self.findings(rows, predictions, quality, is_error, suggested)
