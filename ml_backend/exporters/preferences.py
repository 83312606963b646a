"""`preferences`: which of two texts people prefer, as trainers with preferences (DPO and the like) read it."""

from collections.abc import Iterable, Iterator

from ..domain.example import Row
from ..domain.field_texts import field_texts, join_fields, readable_text
from ..domain.label_config import LEFT, RIGHT
from ..domain.row_json import to_line
from ..errors import ConfigurationError
from .base import ExportRequest, LineExporter, RowCounter
from .limits import NotCarried, encodable

__all__: list[str] = []


class Preferences(LineExporter):
    """`{"prompt", "chosen", "rejected"}` per line; without `prompt` where the config shows nothing beside.

    Both are preference formats of trl's documentation ("Dataset formats and types", with and without a prompt).
    """

    name = "preferences"
    description = 'One JSON object per line: {"prompt": what stands beside the two texts, "chosen", "rejected"}.'
    limits = (
        "One control's answers, which must compare two texts. Rows whose texts are equal, or one of them empty, are "
        "left out. Annotators, weights and provenance are left out."
    )
    suffix = ".jsonl"
    carries_one_control = True

    def check(self, request: ExportRequest) -> None:
        """Refuse a control that compares nothing."""
        super().check(request)
        for served in request.controls:
            if served.name == request.control and served.control.other is None:
                raise ConfigurationError(
                    f"the format {self.name} holds which of two texts is better, and {served.name!r} is answered with "
                    f"{served.kind.name}; choose another format, or name a <Pairwise>: --control NAME"
                )

    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:
        served = next(each for each in request.controls if each.name == request.control)

        def line(row: Row) -> str:
            better = request.target(row)
            texts = field_texts(served.control.text_in(row.text))
            if not {LEFT, RIGHT} <= texts.keys():
                raise NotCarried("one of the two texts is empty")
            sides = {side: encodable(readable_text(texts.pop(side))) for side in (LEFT, RIGHT)}
            if sides[LEFT] == sides[RIGHT]:
                raise NotCarried("the two texts are equal")
            # Every line has the same keys, which readers of whole files rely on.
            prompt = {"prompt": encodable(readable_text(join_fields(texts)))} if texts else {}
            chosen, rejected = (LEFT, RIGHT) if better == LEFT else (RIGHT, LEFT)
            return to_line({**prompt, "chosen": sides[chosen], "rejected": sides[rejected]})

        return counter.convert(rows, line)
