"""`preferences`: pairs of responses to a prompt, of which people preferred one, as trl's DPOTrainer loads them."""

from array import array
from collections.abc import Iterable, Iterator

from ..domain.example import Row
from ..domain.preference import Preference
from ..domain.row_json import to_line
from ..errors import ConfigurationError
from ..tasks.preferences.base import PreferenceReader
from .base import ExportRequest, LineExporter, RowCounter
from .limits import encodable

__all__: list[str] = []

VOTES = (
    "blind votes on the drafts of two versions are about held-out tasks, which are never trained on, and are left out"
)


class Preferences(LineExporter):
    """`{"prompt", "chosen", "rejected"}` per line: texts, or lists of messages where prompts are dialogues.

    Where nothing is read beside the responses, no line has a `prompt`. Both are forms of "preference" data in trl's
    documentation (Dataset formats and types).
    """

    name = "preferences"
    description = 'One pair per line: {"prompt", "chosen": the response that was preferred, "rejected": the other}.'
    limits = (
        "Pairs of one control: drafts that were mended (<TextArea>), or answers to <Pairwise>, <Ranker> or <Rating> "
        "about responses. A row may give several pairs, or none. Annotators, weights and provenance are left out."
    )
    suffix = ".jsonl"
    carries_one_control = True

    def check(self, request: ExportRequest) -> None:
        super().check(request)
        _reader(request, RowCounter())

    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:
        reader = _reader(request, counter)
        for pair in reader.pairs(rows):
            counter.rows += 1
            prompt, chosen, rejected = map(encodable, (pair.prompt, pair.chosen, pair.rejected))
            line = Preference(prompt, chosen, rejected).to_json(is_conversation=reader.is_conversation)
            # Every line has the same keys, which readers of whole files rely on.
            yield to_line({name: text for name, text in line.items() if reader.has_prompt or name != "prompt"})
        if reader.tag == "TextArea":
            counter.notices.append(VOTES)


def _reader(request: ExportRequest, counter: RowCounter) -> PreferenceReader:
    def leave_out(reason: str, task_id: int) -> None:
        counter.left_out.setdefault(reason, array("q")).append(task_id)

    control = next(each.control for each in request.controls if each.name == request.control)
    reader = PreferenceReader.of(control, request.texts, leave_out)
    if reader is None:
        raise ConfigurationError(
            f"the format preferences holds pairs of responses, and <{control.tag} name={control.name!r}> compares "
            "none; name a control of TextArea, Pairwise, Ranker or Rating: --control NAME"
        )
    return reader
