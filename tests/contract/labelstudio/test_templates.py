"""Every labeling kind with its template: what it writes fits the config, is stored by Label Studio, and reads back."""

from collections.abc import Callable
from itertools import cycle, permutations
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Region
from ml_backend.domain.example import Span, Target, spans_in
from ml_backend.domain.label_config import Control, LabelConfig
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.offered import join_options, options_in
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.models.decoders.taxonomy import with_parents
from ml_backend.tasks import ServedControl, ServingPlan, find_kinds, serving_plan, template_path
from ml_backend.tasks.explanations import Explanation
from ml_backend.tasks.objects import data_of
from tests.studio import project_with_tasks, task_ids

KINDS = sorted(find_kinds())
TEMPLATES = sorted(path.stem for path in template_path(KINDS[0]).parent.glob("*.xml"))

# Characters of two UTF-16 units, joined ones, combining ones, a CR LF, a tab, and right-to-left script.
TEXT = "😀 Bob went to Paris 👩‍👩‍👧 with Zoe\u0308.\r\nLine two: Ann\tsaw 𝒳 שלום\u200f Rome."


OPTIONS = join_options({"4": TEXT, "b 2": f"2 {TEXT}", "ñ": f"n {TEXT}"})


def _choices(control: Control, _text: str) -> list[Target]:
    return list(control.label_values)


def _sets_of_choices(control: Control, _text: str) -> list[Target]:
    return [(), *((value,) for value in control.label_values), tuple(sorted(control.label_values))]


def _spans(control: Control, text: str) -> list[Target]:
    """None; one per label; touching ones; nested, overlapping and two of one place; the whole text."""
    first, last = control.label_values[0], control.label_values[-1]
    at, middle = text.index(TEXT[0]), text.index("Paris")
    per_label = tuple(Span(middle, middle + 5, label) for label in sorted(control.label_values))
    touching = (Span(at + 2, at + 3, first), Span(at + 3, at + 5, first))
    nested = [(2, 9, first), (4, 7, last), (6, 12, first), (6, 12, last)]
    shifted = tuple(sorted(Span(at + start, at + end, label) for start, end, label in nested))
    return [(), per_label, touching, shifted, (Span(at, len(text), first),)]


def _responses(_control: Control, _text: str) -> list[Target]:
    return ["Yes.", "Two lines,\nand an emoji 👩‍👩‍👧.\n\n- a list\n- <b>not bold</b> & more", "שלום\u200f"]


def _ratings(control: Control, _text: str) -> list[Target]:
    return [int(value) for value in control.label_values]


def _paths(control: Control, _text: str) -> list[Target]:
    """None; each label with its parents; all of them."""
    whole = [with_parents([value]) for value in control.label_values]
    return [(), *whole, tuple(sorted(control.label_values))]


def _numbers(_control: Control, _text: str) -> list[Target]:
    return [0, 1, 17, 240]


def _options(_control: Control, text: str) -> list[Target]:
    return list(options_in(text))


def _sets_of_options(_control: Control, text: str) -> list[Target]:
    one, *others = sorted(options_in(text))
    return [(), (one,), tuple(others), (one, *others)]


def _orders(_control: Control, text: str) -> list[Target]:
    """All orders but the one that the task has."""
    return list(permutations(options_in(text)))[1:]


# Answers that a kind must be able to give about the text above; a new kind adds its own here.
ANSWERS: dict[str, Callable[[Control, str], list[Target]]] = {
    "classification": _choices,
    "multiple_choice": _sets_of_choices,
    "entities": _spans,
    "generation": _responses,
    "number": _numbers,
    "option": _options,
    "options": _sets_of_options,
    "pairwise": _choices,
    "ranker": _orders,
    "rating": _ratings,
    "region_choice": _choices,
    "region_rating": _choices,
    "taxonomy": _paths,
}

# Kinds whose labels are not written in the config.
UNWRITTEN = {"pairwise", "rating", "region_rating"}

# Labels that no template has, as each kind's answers hold them; responses hold none.
GONE: dict[str, Target] = {
    "classification": "gone",
    "multiple_choice": ("gone",),
    "entities": (Span(0, 1, "gone"),),
    "pairwise": "gone",
    "rating": 6,
    "taxonomy": ("gone",),
}


def template(name: str) -> LabelConfig:
    return parse_label_config(template_path(name).read_text())


def served(kind: str) -> ServedControl:
    (only,) = (each for each in serving_plan(template(kind)).controls if each.kind.name == kind)
    return only


def scored(target: Target) -> ScoredTarget:
    return ScoredTarget(target, 0.75, {})


def task_data(plan: ServingPlan) -> dict[str, Any]:
    return data_of((shown, OPTIONS if shown.tag in ("Choices", "Ranker") else TEXT) for shown in plan.texts)


def answers(plan: ServingPlan, each: ServedControl) -> list[Target]:
    return ANSWERS[each.kind.name](each.control, each.control.text_in(plan.text(task_data(plan))))


def written(plan: ServingPlan, number: int) -> list[Region]:
    """Regions of the answers that have this number, of all controls."""
    targets = {name: scored(target) for name, target in expected(plan, number).items() if target is not None}
    return plan.regions(targets, plan.text(task_data(plan)))


def read(plan: ServingPlan, result: Any) -> dict[str, Target | None]:
    return {each.name: each.answer(result, plan.text(task_data(plan))).target for each in plan.controls}


def expected(plan: ServingPlan, number: int) -> dict[str, Target | None]:
    """The answers that have this number; those about marked pieces are about all marks, each place once."""
    found = {each.name: answers(plan, each) for each in plan.controls}
    targets: dict[str, Target | None] = {name: own[number % len(own)] for name, own in found.items()}
    for each in (each for each in plan.controls if each.marking):
        marks = {(span.start, span.end) for control in each.marking for span in spans_in(targets[control.name])}
        named = cycle(each.control.label_values)
        targets[each.name] = tuple(Span(*place, next(named)) for place in sorted(marks)) or None
    return targets


def answer_numbers(plan: ServingPlan) -> range:
    return range(max(len(answers(plan, each)) for each in plan.controls))


def test_every_kind_has_a_template_and_answers_to_be_tried() -> None:
    assert set(KINDS) <= set(TEMPLATES)
    assert sorted(ANSWERS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_of_a_kind_holds_one_control_of_the_kind_and_marks_where_it_needs_them(kind: str) -> None:
    assert served(kind).kind is find_kinds()[kind]
    assert len(serving_plan(template(kind)).controls) == 1 + bool(find_kinds()[kind].kind_of_each)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_served_with_nothing_left_over(name: str) -> None:
    plan = serving_plan(template(name))

    assert [notice for notice in plan.notices if not notice.startswith("<Rating ")] == []
    data = task_data(plan)
    assert {key for shown in plan.texts for key in shown.keys} == set(data)
    assert all(TEXT in text for text in plan.input({**data, "other": "x"}).values())


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_label_of_a_template_has_a_hint(name: str) -> None:
    controls = serving_plan(template(name)).controls

    named = [label for each in controls if each.kind.name not in UNWRITTEN for label in each.control.labels]
    assert [label.value for label in named if not label.hint] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_written_reads_back(name: str) -> None:
    plan = serving_plan(template(name))

    for number in answer_numbers(plan):
        assert read(plan, written(plan, number)) == expected(plan, number)


@pytest.mark.parametrize("kind", sorted(GONE))
def test_a_label_that_the_config_lacks_is_not_written(kind: str) -> None:
    control, writer = served(kind).control, served(kind).kind

    assert set(writer.labels_in(GONE[kind])).isdisjoint(control.label_values)
    assert writer.write(control, scored(GONE[kind]), TEXT) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_written_passes_label_studio_s_own_check_of_the_config(name: str) -> None:
    plan = serving_plan(template(name))
    predictions = [Prediction(tuple(written(plan, number)), 0.75, "m-v1") for number in answer_numbers(plan)]

    assert StudioRules(template(name).xml).misfits(list(enumerate(predictions))) == {}
    wrong = [Prediction(({**region, "from_name": "unknown"},), 0.75, "m") for region in written(plan, 1)]
    assert sorted(StudioRules(template(name).xml).misfits(list(enumerate(wrong)))) == list(range(len(wrong)))


@pytest.mark.parametrize("name", TEMPLATES)
def test_label_studio_stores_every_answer_and_gives_back_what_was_meant(name: str, studio_client: StudioClient) -> None:
    plan = serving_plan(template(name))
    numbers = answer_numbers(plan)
    tasks = [{"data": task_data(plan)} for _ in numbers]
    project = project_with_tasks(studio_client, tasks=tasks, label_config=template(name).xml)
    ids = task_ids(studio_client, project.id)
    predictions = {
        task: Prediction(tuple(written(plan, number)), 0.75, "m-v1") for task, number in zip(ids, numbers, strict=True)
    }

    assert studio_client.push_predictions(project.id, list(predictions.items())) == len(ids)
    for task, prediction in predictions.items():
        studio_client.submit_annotation(task, {"result": [dict(region) for region in prediction.result]})

    reviewed = {task.id: task for task in studio_client.reviewed_tasks(project.id)}
    assert all(plan.text(task.data) == plan.text(task_data(plan)) for task in reviewed.values())
    found = {task.id: read(plan, task.annotations[0].result) for task in reviewed.values()}
    assert found == {task: expected(plan, number) for task, number in zip(ids, numbers, strict=True)}


def reasons_beside(plan: ServingPlan, result: list[Region]) -> list[Region]:
    """Reasons as the editor stores them: words with the id and the place of the marked region that they belong to."""
    regions: list[Region] = []
    for control in (each.control for each in plan.explaining):
        named = {"from_name": control.name, "to_name": "text", "id": control.name}
        if control.marks_regions:
            place = {"start": 14, "end": 19, "text": "Paris", "labels": [control.label_values[0]]}
            regions.append({**named, "type": "labels", "value": place})
        elif control.has("perregion"):
            (marked,) = [region for region in result if region["value"]["labels"] == ["Date"]]
            value = {key: marked["value"][key] for key in ("start", "end")} | {"text": ["It is 😀."]}
            regions.append({**named, "id": marked["id"], "type": "textarea", "value": value})
        else:
            regions.append({**named, "type": "textarea", "value": {"text": ["It is 😀."]}})
    return regions


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("classification_with_reasons", "Shipping"),
        ("multiple_choice_with_reasons", "Price"),
        ("entities_with_reasons", "Date"),
    ],
)
def test_label_studio_keeps_reasons_and_they_read_back(name: str, label: str, studio_client: StudioClient) -> None:
    plan = serving_plan(template(name))
    project = project_with_tasks(studio_client, [TEXT], label_config=template(name).xml)
    (task_id,) = task_ids(studio_client, project.id)
    result = written(plan, 1)
    studio_client.submit_annotation(task_id, {"result": [*map(dict, result), *map(dict, reasons_beside(plan, result))]})

    (task,) = studio_client.reviewed_tasks(project.id)
    (explained,) = [each for row in Explanation.rows(task, plan) for each in Explanation.of(row, plan)]

    assert (explained.label, explained.words, explained.evidence) == (label, "It is 😀.", ("Paris",))
    assert read(plan, task.annotations[0].result) == expected(plan, 1)


def test_label_studio_stores_one_by_one_what_it_refuses_together(studio_client: StudioClient) -> None:
    xml = """<View><Text name="text" value="$text"/><Rating name="stars"/>
        <Choices name="topic" toName="text" choice="multiple" allowNested="true">
        <Choice value="a"><Choice value="b"/></Choice><Choice value="c"/></Choices></View>"""
    plan = serving_plan(parse_label_config(xml))
    project = project_with_tasks(studio_client, [TEXT], label_config=xml)
    (task_id,) = task_ids(studio_client, project.id)
    targets: dict[str, Target] = {"stars": 4, "topic": ("a", "a > b", "c")}
    regions = [region for each in plan.controls for region in each.regions(scored(targets[each.name]), TEXT)]

    assert all(each.kind.is_refused_in_bulk(each.control) for each in plan.controls)
    assert sorted(StudioRules(xml).misfits([(0, Prediction((region,), 0.5, "m-v1")) for region in regions])) == [0]
    assert studio_client.push_prediction(task_id, Prediction(tuple(regions), 0.75, "m-v1"))
    assert studio_client.prediction_counts(project.id) == {"m-v1": 1}
    assert not studio_client.push_prediction(task_id + 1000, Prediction(tuple(regions), 0.75, "m-v1"))
    studio_client.submit_annotation(task_id, {"result": regions})
    (task,) = studio_client.reviewed_tasks(project.id)
    assert read(plan, task.annotations[0].result) == targets
