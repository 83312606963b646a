"""Projects that ask for texts are treated differently, because a model takes seconds for each text.

Responses are shown side by side, and nothing is asked for twice.
"""

from dataclasses import replace
from typing import Any

from ml_backend.domain.example import Provenance, Row
from ml_backend.domain.progress import Progress
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.plans import plan_of
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.promoting.gate import TEXTS_AT_ONCE, compare_versions, hold_gate
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.side_by_side import Remembering, SideBySide, Writing, side_by_side
from tests.fakes import FakePredictor
from tests.services import add_project, add_version, texts_in
from tests.unit.tasks.plans import plan

AREA = """<View>
  <Text name="text" value="$text"/>
  <TextArea name="reply" toName="text" required="true"/>
</View>"""
TEST = texts_in(Split.TEST, TEXTS_AT_ONCE + 4)
RIGHT, WRONG = "Block the card.", "Call us."


def add_text_project(services: Services, texts: list[str], answer: str | None = None) -> Project:
    project = add_project(services, texts, label_config=AREA)
    assert [each.kind.head for each in plan_of(project.label_config).controls] == ["text"]
    for task_id in services.studio.tasks if answer else ():
        services.studio.submit_annotation(task_id, {"result": reply(answer or "")})
    return project


def reply(text: str) -> list[dict[str, Any]]:
    return [{"from_name": "reply", "to_name": "text", "type": "textarea", "value": {"text": [text]}}]


def add_writer(services: Services, project: Project, response: str) -> str:
    version = add_version(services, project)
    writer = FakePredictor(version.name, {"": "nothing"}, response, 0.5, control="reply")
    services.load_predictor.put(version.path, writer)
    return version.name


def test_drafts_are_pushed_a_few_at_a_time_so_that_an_interruption_loses_little(services: Services) -> None:
    project = add_text_project(services, texts_in(Split.TRAIN, 53))
    writer = FakePredictor("m1", {"": "nothing"}, RIGHT, control="reply")
    reports: list[Progress] = []

    pushed = push_missing(services, project, writer, reports.append)

    assert pushed == 53
    assert [len(texts) for texts in writer.asked] == [50, 3]
    assert (reports[0].message, reports[-1].message) == ("predicted 50 of 53 pre-labels", "pushed 53 of 53 pre-labels")
    assert {p["result"][0]["value"]["text"][0] for p in services.studio.predictions.values()} == {RIGHT}


def test_the_gate_tells_how_far_the_versions_have_written(services: Services) -> None:
    project = add_text_project(services, TEST, RIGHT)
    champion, challenger = (add_writer(services, project, text) for text in (WRONG, RIGHT))
    services.versions.serve(champion)
    reports: list[Progress] = []

    snapshot, version = export_project(services, project), services.versions.get(challenger)
    outcome = hold_gate(services, snapshot, version, project, report=reports.append)

    assert outcome is not None
    assert outcome.decision.promote
    assert outcome.decision.metric == "ROUGE-L"
    assert (outcome.decision.champion_score, outcome.decision.challenger_score) == (0.0, 1.0)
    assert outcome.test["reply"].summary()["exact"] == 1.0
    rows = len(TEST)
    assert [each.message for each in reports] == [
        f"{version} has answered {count} of {rows} test rows"
        for version in (champion, challenger)
        for count in (TEXTS_AT_ONCE, rows)
    ]


def test_a_comparison_shows_what_everybody_wrote(services: Services) -> None:
    project = add_text_project(services, TEST, RIGHT)
    export_project(services, project)
    champion, challenger = (add_writer(services, project, text) for text in (WRONG, RIGHT))

    found = compare_versions(services, champion, challenger, drafts=2)

    assert len(found.drafts) == 2
    assert [(w.writer, w.response, w.rouge_l) for w in found.drafts[0].writings] == [
        ("base model", "", 0.0),
        (champion, WRONG, 0.0),
        (challenger, RIGHT, 1.0),
    ]
    assert compare_versions(services, champion, challenger).drafts == ()


PLAN = plan(
    '<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'
    '<TextArea name="reply" toName="text" required="true"/>'
)


def writer() -> FakePredictor:
    """Writes the same words to everything."""
    return FakePredictor("v1", {}, "block it", control="reply")


def row(task_id: int, text: str, **targets: str) -> Row:
    return Row(str(task_id), task_id, {"text": text}, targets, (), Provenance((task_id,)))


ROWS = [
    row(1, "card?", reply="block it now"),
    row(2, "cash?", topic="a"),
    row(3, "fee?", reply="we pay"),
    row(4, "pin?", reply="by letter"),
]


def test_everybodys_response_to_the_first_answered_prompts_is_shown() -> None:
    found = side_by_side({"base model": FakePredictor("cold"), "v1": writer()}, ROWS, PLAN, most=2)

    nothing, alike = Writing("base model", "", 0.0), Writing("v1", "block it", 0.8)
    assert found == [
        SideBySide("reply", 1, "card?", ("block it now",), (nothing, alike)),
        SideBySide("reply", 3, "fee?", ("we pay",), (nothing, replace(alike, rouge_l=0.0))),
    ]


def test_controls_without_responses_are_left_out() -> None:
    asked = writer()

    assert side_by_side({"v1": asked}, [ROWS[1]], PLAN, most=2) == []
    assert asked.asked == []


def test_every_text_is_asked_about_once() -> None:
    asked = writer()
    remembering = Remembering(asked)

    answers = [remembering.predict(texts) for texts in (["a", "b", "a"], ["b", "c"])]

    assert asked.asked == [["a", "b"], ["c"]]
    assert [len(each) for each in answers] == [3, 2]
    assert (remembering.version, remembering.draw_score(3)) == ("v1", asked.draw_score(3))
    assert remembering.language_model("reply") is None
