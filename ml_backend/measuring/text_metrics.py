"""How close written responses come to what experts wrote."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from ..errors import TrainingError
from ..words import words

__all__ = ["TextEvaluation", "rouge_l"]


@dataclass(frozen=True, slots=True)
class TextEvaluation:
    """Metrics over a set of rows.

    Attributes:
        rows: prompts; each has one reference or several.
        rouge_l: mean ROUGE-L F1 of the rows, from 0 to 1, each with its best reference (Lin 2004).
        bleu: of the whole set, from 0 to 100, as sacrebleu computes it by default (Post 2018).
        exact: share of the rows with just the words of a reference.
        unanswered: rows without a response; they count as empty ones.
        per_row: ROUGE-L F1, in the order given.
        perplexity: of the expert's responses, token by token, for the model that wrote; None where it was not measured.
    """

    rows: int
    rouge_l: float
    bleu: float
    exact: float
    unanswered: int
    per_row: tuple[float, ...]
    perplexity: float | None = None

    def summary(self) -> dict[str, float]:
        """The figures that a run logs."""
        figures = {"rows": float(self.rows), "rouge_l": self.rouge_l, "bleu": self.bleu, "exact": self.exact}
        return figures if self.perplexity is None else {**figures, "perplexity": self.perplexity}

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def of(cls, references: Sequence[tuple[str, ...]], responses: Sequence[str | None]) -> "TextEvaluation":
        """Return metrics of responses, None where there is none, against what experts wrote.

        Args:
            references: per row the responses of experts, at least one.

        Raises:
            TrainingError: the two differ in length.
        """
        if len(references) != len(responses):
            raise TrainingError(
                f"responses of experts to {len(references)} prompts and of a model to {len(responses)} found; "
                "wanted the same prompts"
            )
        from sacrebleu.metrics.bleu import BLEU

        written = [response or "" for response in responses]
        scores = rouge_l(references, written)
        rows = len(scores)
        # `force`: responses that look tokenised already are the experts' own affair.
        # sacrebleu takes the first references of all rows, then the second ones, and passes over the ones that lack.
        streams = list(zip_longest(*references))
        bleu = BLEU(force=True).corpus_score(written, streams).score if rows else 0.0
        return cls(
            rows=rows,
            rouge_l=sum(scores) / max(rows, 1),
            bleu=float(bleu),
            exact=sum(
                any(_spoken(response) == _spoken(reference) for reference in own)
                for own, response in zip(references, written, strict=True)
            )
            / max(rows, 1),
            unanswered=sum(not (response or "").strip() for response in responses),
            per_row=tuple(scores),
        )


def rouge_l(references: Sequence[tuple[str, ...]], responses: Sequence[str]) -> list[float]:
    """Return ROUGE-L F1 per row, from 0 to 1: the longest common subsequence of words, over the lengths of both.

    Of several references of a row the one that fits best counts.

    Words of any script are compared, ignoring case; the usual tokenisation of ROUGE knows only English words.
    """
    from torchmetrics.functional.text import rouge_score

    scores = []
    for own, response in zip(references, responses, strict=True):
        result = rouge_score(
            response, [list(own)], accumulate="best", rouge_keys="rougeL", tokenizer=_spoken, normalizer=str
        )
        scores.append(round(float(result["rougeL_fmeasure"]), 6))  # it comes in single precision
    return scores


def _spoken(text: str) -> list[str]:
    """Return the words of a response, without the underscores that mark emphasis."""
    return words(text.replace("_", " "))
