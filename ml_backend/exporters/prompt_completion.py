"""`prompt-completion`: pairs of texts, as many trainers of language models read them."""

import json
from collections.abc import Iterable, Iterator

from ..domain.example import Row, Target, label_of, spans_in
from ..domain.row_json import target_to_json, to_line
from .base import ExportRequest, LineExporter, RowCounter
from .limits import NotCarried, encodable

__all__ = ["PromptCompletion"]


class PromptCompletion(LineExporter):
    """`{"prompt", "completion"}` per line, nothing added to either but the names of fields where there are several."""

    name = "prompt-completion"
    description = 'One JSON object per line: {"prompt": the text, "completion": the answer}.'
    limits = (
        "One control's answers. A single choice is its label, free text is itself; several choices and rankings are a "
        'JSON list of labels, rankings with buckets an object; entities are a JSON list of {"text", "label"} in the '
        "order of the text, without positions. Annotators, weights and provenance are left out."
    )
    suffix = ".jsonl"
    carries_one_control = True
    needs_config = False

    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:
        def line(row: Row) -> str:
            prompt, completion = self.prompt_and_completion(row, request)
            return to_line({"prompt": prompt, "completion": completion})

        return counter.convert(rows, line)

    @staticmethod
    def prompt_and_completion(row: Row, request: ExportRequest) -> tuple[str, str]:
        """Return the row's text, and its answer as the text that a language model is taught to complete.

        Raises:
            NotCarried: either is empty, or there is no answer.
        """
        prompt = encodable(request.text(row))
        if not prompt.strip():
            raise NotCarried("the text is empty")
        completion = encodable(_completion(request.target(row), request.text(row)))
        if not completion.strip():
            raise NotCarried("the answer is empty")
        return prompt, completion


def _completion(target: Target, text: str) -> str:
    if isinstance(target, int | float):
        return label_of(target)
    if isinstance(target, str):
        return target
    if not (spans := spans_in(target)):
        return json.dumps(target_to_json(target), ensure_ascii=False)
    parts = [{"text": text[span.start : span.end], "label": span.label} for span in spans]
    return json.dumps(parts, ensure_ascii=False)
