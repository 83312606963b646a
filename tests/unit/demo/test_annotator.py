"""An annotator: the order of the tasks, and what Submit sends."""

import json
from collections.abc import Sequence

import httpx
import pytest

from ml_backend.demo.annotator import Annotator, OpenTask
from ml_backend.demo.expert import Expert
from ml_backend.demo.tickets import Ticket
from ml_backend.domain.annotation import Prediction
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.http import StudioHttp
from tests.fake_studio import FakeStudio
from tests.services import CONFIG, choice

VERSION = "tickets-1-v1"
EASY = ("Where is my parcel?", "I was charged twice.", "It arrived broken.")


class ScriptedExpert(Expert):
    """Answers as told, by text, and notes which pre-label it was shown."""

    def __init__(self, answers: dict[str, str | None]) -> None:
        super().__init__(seed=0)
        self.shown: dict[str, str | None] = {}
        self._answers = answers

    def answer(self, ticket: Ticket, prelabel: str | None) -> tuple[str | None, float]:
        self.shown[ticket.text] = prelabel
        return self._answers[ticket.text], 7.5


def _annotator(studio: FakeStudio) -> Annotator:
    """An annotator whose reads are answered from the fake's state, two tasks a page; the version's pre-labels show."""
    studio.update_project(1, {"model_version": VERSION})

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/tasks"
        query = json.loads(request.url.params["query"])
        zero = {item["filter"] for item in query["filters"]["items"] if item["operator"] == "equal"}
        assert zero == {"filter:tasks:total_annotations", "filter:tasks:cancelled_annotations"}
        found = [studio.task_json(number) for number in studio.tasks]
        untouched = [task for task in found if not task["annotations"]]
        first = 2 * (int(request.url.params["page"]) - 1)
        return httpx.Response(200, json={"tasks": untouched[first : first + 2], "total": len(untouched)})

    http = StudioHttp(studio.url, "0123456789abcdef", 5.0, transport=httpx.MockTransport(answer))
    return Annotator(studio, http, 1, parse_label_config(CONFIG).controls[0])


def _studio(texts: Sequence[str]) -> FakeStudio:
    studio = FakeStudio()
    studio.create_project("Tickets", CONFIG)
    studio.import_tasks(1, [{"text": text} for text in texts])
    return studio


def _predict(studio: FakeStudio, task_id: int, label: str | None, score: float, version: str = VERSION) -> int:
    result = tuple(choice(label)) if label else ()
    return studio.predict_in_editor(task_id, Prediction(result, score, version))


def _tickets(texts: Sequence[str]) -> dict[str, Ticket]:
    return {text: Ticket(text, "Shipping", is_hard=False) for text in texts}


def test_tasks_come_least_certain_first_and_those_without_a_prediction_do_not_come() -> None:
    texts = [f"text {number}" for number in range(1, 6)]
    studio = _studio(texts)
    for task_id, score in ((1, 0.9), (2, 0.2), (4, 0.2)):
        _predict(studio, task_id, "Billing", score)
    _predict(studio, 5, "Billing", 0.1, "another version")
    order: list[str] = []

    expert = ScriptedExpert(dict.fromkeys(texts, "Billing"))
    _annotator(studio).label(expert, _tickets(texts), lambda ticket, _label: order.append(ticket.text))

    assert order == ["text 2", "text 4", "text 1"]


def test_the_expert_answers_all_tasks_but_those_to_leave_with_the_selected_versions_prelabel_before_it() -> None:
    studio = _studio(EASY)
    for task_id, score in ((1, 0.9), (2, 0.3), (3, 0.5)):
        _predict(studio, task_id, "Returns", 0.1, "tickets-1-v0")
        _predict(studio, task_id, None if task_id == 3 else "Billing", score)
    expert = ScriptedExpert(dict.fromkeys(EASY, "Billing"))
    answered: list[str] = []

    _annotator(studio).label(
        expert, _tickets(EASY), lambda ticket, _label: answered.append(ticket.text), leave={EASY[0]}
    )

    assert answered == [EASY[1], EASY[2]]
    assert expert.shown == {EASY[1]: "Billing", EASY[2]: None}
    assert sorted(annotation["task"] for annotation in studio.annotations.values()) == [2, 3]


@pytest.mark.parametrize(
    ("shown", "said", "origin"),
    [
        ("Billing", "Billing", "prediction"),
        ("Billing", "Shipping", "prediction-changed"),
        (None, "Shipping", "manual"),
    ],
)
def test_submit_sends_what_the_editor_sends(shown: str | None, said: str, origin: str) -> None:
    studio = _studio(EASY[:1])
    prediction_id = _predict(studio, 1, shown, 0.4)

    _annotator(studio).label(ScriptedExpert({EASY[0]: said}), _tickets(EASY), lambda *_: None)

    (annotation,) = studio.annotations.values()
    (region,) = annotation["result"]
    assert {**region, "id": ""} == {**choice(said)[0], "id": "", "origin": origin}
    assert annotation["parent_prediction"] == (prediction_id if shown else None)
    assert annotation["lead_time"] == 7.5
    assert annotation["was_cancelled"] is False


@pytest.mark.parametrize(("shown", "carried"), [("Billing", ["Billing"]), (None, [])])
def test_a_skipped_task_carries_the_untouched_prelabel(shown: str | None, carried: list[str]) -> None:
    studio = _studio(EASY[:1])
    _predict(studio, 1, shown, 0.4)

    _annotator(studio).label(ScriptedExpert({EASY[0]: None}), _tickets(EASY), lambda *_: None)

    (annotation,) = studio.annotations.values()
    assert annotation["was_cancelled"] is True
    assert [label for region in annotation["result"] for label in region["value"]["choices"]] == carried


def test_answered_and_skipped_tasks_are_not_open() -> None:
    studio = _studio(EASY)
    for task_id in (1, 2, 3):
        _predict(studio, task_id, "Billing", task_id / 10)
    annotator, answers = _annotator(studio), {EASY[0]: "Billing", EASY[1]: None}

    annotator.label(ScriptedExpert(answers), _tickets(EASY), lambda *_: None, leave={EASY[2]})

    assert annotator.open_tasks(VERSION) == [OpenTask(3, EASY[2], 3, "Billing", 0.3)]
    assert annotator.open_tasks("tickets-1-v2") == []
