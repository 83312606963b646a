"""Blind votes on drafts: nobody learns who wrote what before they end, and a prompt counts once."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.access import Role
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.held_out_answers import ControlAnswers, answers_to_bytes
from ml_backend.workflows.voting import all_vote_results
from tests.services import add_project, add_version, texts_in
from tests.visitors import HTML, press, signed_in

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <TextArea name="reply" toName="text" required="true"/>
</View>"""
FIRST, SECOND = "<script>alert('first')</script>", "رد ثان " + "y" * 200
PAGE = "/projects/1/models/votes?left=1&right=2"
VOTES = "/api/projects/1/models/votes"
PAIR = {"left": 1, "right": 2}
TAG = re.compile(r"<[^>]+>")


@pytest.fixture
def project(services: Services) -> Project:
    """Two versions have written to six prompts, and the base model to two of them."""
    project = add_project(services, texts_in(Split.TEST, 6), label_config=CONFIG)
    for task_id in services.studio.tasks:
        region = {"from_name": "reply", "to_name": "text", "type": "textarea", "value": {"text": ["by a person"]}}
        services.studio.submit_annotation(task_id, {"result": [region]})
    snapshot = export_project(services, project)
    drafts = {add_version(services, project).name: [draft] * 6 for draft in (FIRST, SECOND)}
    cold_start = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
    for version, given in {**drafts, cold_start: ["by the base model"] * 2}.items():
        rows = range(len(given))
        answers = ControlAnswers(
            lines=list(rows),
            task_ids=[row + 1 for row in rows],
            true=[None for _ in rows],
            references=[[row] for row in rows],
            given=given,
            confidence=[0.5 for _ in rows],
            score=[0.1 * len(version) for _ in rows],
        )
        shown = {"metric": "ROUGE-L", "score": 0.5, "low": 0.4, "high": 0.6, "rows": 6, "accuracy": None}
        summary = {"left_out": 0, "controls": {"reply": shown | {"has_labels": False}}}
        services.database.measurements.keep(
            project.ref.key,
            version,
            snapshot.id,
            Split.TEST,
            summary=summary,
            figures={"reply": {"kind": "generation", "evaluation": {"unanswered": 0}, "mistakes": {}}},
            answers=answers_to_bytes({"reply": answers}),
        )
    return project


def shown(client: FlaskClient, page: str = PAGE) -> str:
    answer = client.get(page, headers=HTML)
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    return " ".join(TAG.sub(" ", answer.text).split())


def sheet(client: FlaskClient, at: int) -> list[str]:
    drafts: list[str] = client.get(f"{VOTES}?left=1&right=2&at={at}").get_json()["drafts"]
    return drafts


def side_of(client: FlaskClient, at: int, draft: str) -> str:
    return ("left", "right")[sheet(client, at).index(draft)]


def test_drafts_are_shown_without_names_in_an_order_that_stays(
    app: Flask, services: Services, admin: FlaskClient, project: Project
) -> None:
    analyst = signed_in(app, services, Role.ANALYST)

    orders = [[sheet(client, at) for at in range(1, 7)] for client in (admin, admin, analyst)]

    assert orders[0] == orders[1]
    assert {tuple(order) for order in orders[0]} <= {(FIRST, SECOND), (SECOND, FIRST)}
    assert orders[0] != orders[2] or [admin.get(f"{VOTES}?left=1&right=2").get_json()["task_id"]] != [
        analyst.get(f"{VOTES}?left=1&right=2").get_json()["task_id"]
    ]
    text = shown(admin)
    assert "tickets-1-v" not in text
    assert "by a person" in text


def test_a_vote_is_kept_and_replaced_by_the_same_persons_next_one(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    press(admin, VOTES, PAGE, **PAIR, at=1, choice=side_of(admin, 1, FIRST))
    assert "Your vote on prompt 1 is kept; 1 of 6 are cast." in shown(admin)
    press(admin, VOTES, PAGE, **PAIR, at=1, choice=side_of(admin, 1, SECOND))
    assert "Your earlier vote on prompt 1 is replaced." in shown(admin)
    assert "you said" in shown(admin, f"{PAGE}&at=1")

    (result,) = all_vote_results(services, project)

    assert (result["first_wins"], result["second_wins"], result["votes"]["second"]) == (0, 1, 1)


def test_the_result_waits_until_the_person_ends_and_then_no_vote_counts(
    app: Flask, services: Services, admin: FlaskClient, project: Project
) -> None:
    analyst = signed_in(app, services, Role.ANALYST)
    for at in range(1, 6):
        press(admin, VOTES, PAGE, **PAIR, at=at, choice=side_of(admin, at, SECOND))
    press(admin, VOTES, PAGE, **PAIR, at=6, choice="bad")
    assert "wins" not in shown(admin)
    assert admin.get(f"{VOTES}/result?left=1&right=2").status_code == 400

    press(admin, f"{VOTES}/end", PAGE, **PAIR)

    assert "tickets-1-v2 better on 5 of 6 prompts" in shown(admin)
    assert "wins 100% (95% interval 57% to 100%)" in shown(admin)
    assert press(admin, VOTES, PAGE, **PAIR, at=1, choice="equal").status_code == 400
    assert "wins" not in shown(analyst)
    for client, may_see in ((admin, True), (analyst, False), (signed_in(app, services, Role.VIEWER), True)):
        assert ("better on 5 of 6" in shown(client, "/projects/1/models/side-by-side?left=1&right=2")) is may_see
    assert admin.get(f"{VOTES}/result?left=2&right=1").get_json()["second_wins"] == 5


def test_a_prompt_counts_once_however_many_people_vote_on_it(
    app: Flask, services: Services, admin: FlaskClient, project: Project
) -> None:
    analyst = signed_in(app, services, Role.ANALYST)
    for client, draft in ((admin, FIRST), (analyst, SECOND)):
        for at in range(1, 7):
            press(client, VOTES, PAGE, **PAIR, at=at, choice=side_of(client, at, draft))

    (result,) = all_vote_results(services, project)

    assert (result["people"], result["prompts"], result["ties"], result["share"]) == (2, 6, 6, None)


def test_the_base_model_stands_beside_both_where_it_wrote(admin: FlaskClient, project: Project) -> None:
    text = shown(admin, "/projects/1/models/side-by-side?left=1&right=2")

    assert "ROUGE-L" in text
    assert text.count("People say by a person") == 6
    assert text.count("by the base model") == 2
    assert "Vote blind on the drafts" in text


@pytest.mark.parametrize("query", ["left=1&right=3", "left=1&right=2&control=x", "left=1&right=1"])
def test_there_is_nothing_to_vote_on_without_drafts_that_differ(
    admin: FlaskClient, project: Project, query: str
) -> None:
    assert admin.get(f"/projects/1/models/votes?{query}", headers=HTML).status_code == 404
