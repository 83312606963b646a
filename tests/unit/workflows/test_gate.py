"""Champion and challenger on the same test rows."""

from pathlib import Path

import pytest

from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import ModelVersion, ScoredTarget
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Snapshot, Split, SplitFractions
from ml_backend.errors import ModelNotFound, SnapshotError
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.promoting.gate import GateOutcome, compare_versions, hold_gate
from ml_backend.workflows.services import Services
from tests.fakes import FakePredictor
from tests.services import add_project, add_version, build_test_services, choice, texts_in

TRAIN, TEST = texts_in(Split.TRAIN, 2), texts_in(Split.TEST, 6)


@pytest.fixture
def project(services: Services) -> Project:
    """All test rows are labeled Shipping, which the cold start (Billing) gets wrong."""
    project = add_project(services, [*TRAIN, *TEST])
    for task_id in services.studio.tasks:
        services.studio.submit_annotation(task_id, {"result": choice("Shipping")})
    return project


@pytest.fixture
def snapshot(services: Services, project: Project) -> Snapshot:
    return export_project(services, project)


def promoted(services: Services, project: Project, label: str) -> ModelVersion:
    version = add_version(services, project, label)
    services.versions.serve(version.name)
    return version


def gate(services: Services, snapshot: Snapshot, challenger: ModelVersion, project: Project | None) -> GateOutcome:
    """The outcome of a gate that is held."""
    outcome = hold_gate(services, snapshot, challenger, project)
    assert outcome is not None
    return outcome


def test_the_first_challenger_meets_the_cold_start(services: Services, project: Project, snapshot: Snapshot) -> None:
    challenger = add_version(services, project, "Shipping")

    outcome = gate(services, snapshot, challenger, project)
    decision = outcome.decision
    assert (decision.promote, decision.is_provisional, decision.rows) == (True, True, 6)
    assert (decision.champion, decision.challenger) == (services.cold_start(project).version, challenger.name)
    assert (decision.champion_score, decision.challenger_score, decision.metric) == (0.0, 1.0, "macro-F1")
    assert {control: evaluation.accuracy for control, evaluation in outcome.test.items()} == {"category": 1.0}
    assert services.database.gates.last(project.ref.key) == decision
    # Nobody saw these labels being made.
    assert any("6" in warning for warning in decision.warnings)


@pytest.mark.parametrize("label", ["Shipping", "Returns"])
def test_a_challenger_that_is_not_better_than_the_champion_stays_out(
    services: Services, project: Project, snapshot: Snapshot, label: str
) -> None:
    champion = promoted(services, project, "Shipping")

    decision = gate(services, snapshot, add_version(services, project, label), project).decision

    assert (decision.champion, decision.promote) == (champion.name, False)


def test_gates_on_the_same_rows_are_counted(services: Services, project: Project, snapshot: Snapshot) -> None:
    decisions = [gate(services, snapshot, add_version(services, project), project).decision for _ in range(3)]

    assert [decision.earlier_gates for decision in decisions] == [0, 1, 2]


def test_the_gates_of_a_project_share_one_budget_of_error(services: Services) -> None:
    test_texts = texts_in(Split.TEST, 120)
    project = add_project(services, [*TRAIN, *test_texts])
    for task_id in services.studio.tasks:
        services.studio.submit_annotation(task_id, {"result": choice("Shipping" if task_id % 2 else "Billing")})
    snapshot = export_project(services, project)
    versions = [add_version(services, project) for _ in range(3)]
    for number, version in enumerate(versions):
        answers = dict.fromkeys(test_texts[number : number + 40], "Billing")
        services.load_predictor.put(version.path, FakePredictor(version.name, answers, "Shipping"))
    services.versions.serve(versions[0].name)

    decisions = [gate(services, snapshot, version, project).decision for version in (*versions[1:], versions[1])]

    assert [decision.promote for decision in decisions] == [False] * 3
    spent = [decision.error_spent for decision in decisions]
    assert spent[0] == pytest.approx(0.0325)
    assert spent[0] < spent[1] == spent[2]  # the last gate repeats the first
    assert decisions[0].confidence == decisions[2].confidence < decisions[1].confidence
    shown = compare_versions(services, versions[0].name, versions[2].name).decision
    assert shown.confidence == decisions[1].confidence
    assert len(services.database.gates.evidence(project.ref.key)) == 2


def test_a_project_named_for_it_takes_versions_that_are_no_worse(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, gate_refresh="4, 1")
    project = add_project(services, [*TRAIN, *TEST])
    for task_id in services.studio.tasks:
        services.studio.submit_annotation(task_id, {"result": choice("Shipping")})
    snapshot = export_project(services, project)
    promoted(services, project, "Shipping")

    decision = gate(services, snapshot, add_version(services, project), project).decision

    assert (decision.promote, decision.margin, decision.difference) == (True, 0.01, 0.0)


def test_without_a_test_split_there_is_no_gate(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, split=SplitFractions(1, 0, 0))
    project = add_project(services, TRAIN)
    services.studio.submit_annotation(1, {"result": choice("Shipping")})
    snapshot = export_project(services, project)

    assert hold_gate(services, snapshot, add_version(services, project), project) is None
    assert services.database.gates.count(project.ref.key) == 0


def test_an_empty_test_split_promotes_nobody(services: Services) -> None:
    project = add_project(services, TRAIN)
    services.studio.submit_annotation(1, {"result": choice("Shipping")})

    decision = gate(services, export_project(services, project), add_version(services, project), project).decision

    assert (decision.rows, decision.promote) == (0, False)


def test_rows_of_a_file_meet_a_cold_start_of_their_own(
    services: Services, project: Project, snapshot: Snapshot
) -> None:
    outcome = gate(services, snapshot, add_version(services, project), None)

    assert outcome.decision.champion == services.cold_start(project).version


def test_two_versions_are_compared_without_spending_the_test_set(
    services: Services, project: Project, snapshot: Snapshot
) -> None:
    first, second = add_version(services, project, "Billing"), add_version(services, project, "Shipping")

    decision = compare_versions(services, first.name, second.name).decision

    assert (decision.champion, decision.challenger, decision.promote) == (first.name, second.name, True)
    assert services.database.gates.count(project.ref.key) == 0


def test_versions_of_different_projects_are_not_compared(services: Services, project: Project) -> None:
    other = add_project(services, title="Other")

    with pytest.raises(ModelNotFound, match="only versions of one project can be compared"):
        compare_versions(services, add_version(services, project).name, add_version(services, other).name)


def test_versions_without_a_snapshot_cannot_be_compared(services: Services, project: Project) -> None:
    first, second = add_version(services, project), add_version(services, project)

    with pytest.raises(SnapshotError, match="project 1 has no snapshot yet"):
        compare_versions(services, first.name, second.name)


BOTH = """<View>
  <Text name="text" value="$text"/>
  <Choices name="category" toName="text" choice="single">
    <Choice value="Billing"/><Choice value="Shipping"/>
  </Choices>
  <Choices name="mood" toName="text" choice="multiple"><Choice value="angry"/><Choice value="late"/></Choices>
  <Labels name="people" toName="text"><Label value="PER"/></Labels>
</View>"""


def answering(services: Services, project: Project, **targets: Target) -> ModelVersion:
    """A version that gives every text the same answers."""
    version = add_version(services, project)
    answers = {control: ScoredTarget(target, 0.5, {}) for control, target in targets.items()}
    services.load_predictor.put(version.path, FakePredictor(version.name, others=answers))
    return version


def of_all_controls(services: Services, *, marks: bool) -> tuple[Project, Snapshot]:
    """Every row is Shipping, angry, and names a person in its first 3 characters; or `people` is not answered."""
    config = BOTH if marks else BOTH.replace('<Labels name="people"', '<Labels required="true" name="people"')
    project = add_project(services, [*TRAIN, *TEST], label_config=config)
    person = {"start": 0, "end": 3, "text": "mes", "labels": ["PER"]}
    result = [
        *choice("Shipping"),
        {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["angry"]}},
        *([{"from_name": "people", "to_name": "text", "type": "labels", "value": person}] if marks else []),
    ]
    for task_id in services.studio.tasks:
        services.studio.submit_annotation(task_id, {"result": result})
    return project, export_project(services, project)


def test_several_controls_are_judged_by_the_mean_of_their_figures(services: Services) -> None:
    project, snapshot = of_all_controls(services, marks=True)
    right = (Span(0, 3, "PER"),)
    champion = answering(services, project, category="Shipping", mood=("angry", "late"), people=())
    services.versions.serve(champion.name)
    challenger = answering(services, project, category="Billing", mood=("angry",), people=right)

    outcome = gate(services, snapshot, challenger, project)
    decision = outcome.decision
    assert decision.metric == "mean of macro-F1 of category, macro-F1 of mood, strict F1 of people"
    assert (decision.champion_score, decision.challenger_score) == pytest.approx((2 / 3, 2 / 3))
    assert not decision.promote
    assert {name: found.accuracy for name, found in outcome.test.items()} == {"category": 0, "mood": 1, "people": 1}
    assert services.database.gates.last(project.ref.key) == decision


def test_a_control_that_no_test_row_answers_is_not_judged(services: Services) -> None:
    project, snapshot = of_all_controls(services, marks=False)
    champion = answering(services, project, category="Shipping", mood=())
    services.versions.serve(champion.name)
    challenger = answering(services, project, category="Shipping", mood=("angry",), people=(Span(0, 3, "PER"),))

    outcome = gate(services, snapshot, challenger, project)
    assert outcome.decision.metric == "mean of macro-F1 of category, macro-F1 of mood"
    assert (outcome.decision.champion_score, outcome.decision.challenger_score) == (0.5, 1.0)
    assert outcome.decision.promote
    assert set(outcome.test) == {"category", "mood"}


def test_a_version_that_leaves_a_control_unanswered_is_wrong_there(services: Services) -> None:
    project, snapshot = of_all_controls(services, marks=True)
    services.versions.serve(answering(services, project, category="Shipping", mood=("angry",)).name)
    challenger = answering(services, project, category="Shipping", mood=("angry",), people=(Span(0, 3, "PER"),))

    decision = gate(services, snapshot, challenger, project).decision

    assert (decision.champion_score, decision.challenger_score) == pytest.approx((2 / 3, 1.0))
    assert decision.promote
