from collections.abc import Collection, Mapping, Sequence

from ml_backend.domain.example import Provenance, Row
from ml_backend.domain.model import ScoredTarget
from ml_backend.workflows.training.side_by_side import Remembering, SideBySide, Writing, side_by_side
from tests.unit.tasks.plans import plan

PLAN = plan(
    '<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'
    '<TextArea name="reply" toName="text" required="true"/>'
)


class Echo:
    """Answers with the same words to everything."""

    def __init__(self, version: str, words: str) -> None:
        self.version, self.words = version, words
        self.asked: list[str] = []

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        self.asked += texts
        return [{"reply": ScoredTarget(self.words, 0.5, {})} if self.words else None for _ in texts]

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float:
        return key / 10


def row(task_id: int, text: str, **targets: str) -> Row:
    return Row(str(task_id), task_id, {"text": text}, targets, (), Provenance((task_id,)))


ROWS = [
    row(1, "card?", reply="block it now"),
    row(2, "cash?", topic="a"),
    row(3, "fee?", reply="we pay"),
    row(4, "pin?", reply="by letter"),
]


def test_everybodys_response_to_the_first_answered_prompts_is_shown() -> None:
    found = side_by_side({"base model": Echo("cold", ""), "v1": Echo("v1", "block it")}, ROWS, PLAN, most=2)

    assert found == [
        SideBySide(
            "reply", 1, "card?", "block it now", (Writing("base model", "", 0.0), Writing("v1", "block it", 0.8))
        ),
        SideBySide("reply", 3, "fee?", "we pay", (Writing("base model", "", 0.0), Writing("v1", "block it", 0.0))),
    ]


def test_controls_without_responses_are_left_out() -> None:
    echo = Echo("v1", "block it")

    assert side_by_side({"v1": echo}, [ROWS[1]], PLAN, most=2) == []
    assert echo.asked == []


def test_every_text_is_asked_about_once() -> None:
    echo = Echo("v1", "block it")
    remembering = Remembering(echo)

    first = remembering.predict(["a", "b", "a"])
    second = remembering.predict(["b", "c"])

    assert echo.asked == ["a", "b", "c"]
    assert len(first) == 3
    assert len(second) == 2
    assert (remembering.version, remembering.draw_score(3)) == ("v1", 0.3)
    assert remembering.language_model("reply") is None
