"""Which questions are asked, as the editor of Label Studio 1.23 decides it: `Visibility`, `Result.canBeSubmitted`."""

from typing import Any

import pytest

from ml_backend.labelstudio.config.parse import parse_label_config
from tests.unit.tasks.plans import choices_region

TEXT = '<Text name="text" value="$text"/>'
THEME = (
    '<Choices name="theme" toName="text"><Choice value="Fruit"/><Choice value="Car" alias="vehicle"/>'
    '<Choice value="Fruit, dried"/></Choices>'
)
SPANS = '<Labels name="spans" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>'
FRUIT, CAR = choices_region(["Fruit"], name="theme"), choices_region(["vehicle"], name="theme")


def asked(attributes: str, name: str = "more", inside: str = "") -> str:
    return f'<Choices name="{name}" toName="text" {attributes}><Choice value="x"/><Choice value="y"/>{inside}</Choices>'


def chosen(name: str, *values: Any, kind: str = "choices") -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": kind, "value": {kind: list(values)}}


def hidden(inside: str, *result: dict[str, Any]) -> set[str]:
    config = parse_label_config(f"<View>{TEXT}{inside}</View>")
    assert config.faults == ()
    return set(config.hidden(result))


WHEN = 'visibleWhen="choice-selected" whenTagName="theme"'


@pytest.mark.parametrize(
    ("attributes", "result", "is_asked"),
    [
        (WHEN, [], False),
        (WHEN, [FRUIT], True),
        (WHEN, [chosen("theme")], False),
        (f'{WHEN} whenChoiceValue="Fruit"', [FRUIT], True),
        (f'{WHEN} whenChoiceValue="Fruit"', [CAR], False),
        (f'{WHEN} whenChoiceValue="Car"', [CAR], True),
        (f'{WHEN} whenChoiceValue="vehicle"', [CAR], True),
        (f'{WHEN} whenChoiceValue="Nuts,Car"', [CAR], True),
        (f'{WHEN} whenChoiceValue="Nuts, Car"', [CAR], False),
        (f'{WHEN} whenChoiceValue="Fruit, dried"', [chosen("theme", "Fruit, dried")], False),
        (f'{WHEN} whenChoiceValue="Fruit"', [chosen("theme", ["Fruit"])], True),
        (f'{WHEN} whenChoiceValue="Fruit"', [chosen("theme", "vehicle", "Fruit")], True),
        (f"{WHEN.upper().replace('CHOICE-SELECTED', 'choice-selected').replace('THEME', 'theme')}", [CAR], True),
        (WHEN.replace("selected", "unselected"), [], True),
        (WHEN.replace("selected", "unselected"), [FRUIT], False),
        (f'{WHEN.replace("selected", "unselected")} whenChoiceValue="Fruit"', [FRUIT], False),
        (f'{WHEN.replace("selected", "unselected")} whenChoiceValue="Fruit"', [CAR], True),
        ('visibleWhen="choice-unselected" whenTagName="nobody"', [FRUIT], True),
        ('visibleWhen="choice-selected"', [], False),
        ('visibleWhen="choice-selected"', [chosen("more", "x")], False),
        ('visibleWhen="choice-selected"', [CAR], True),
        ('visibleWhen="choice-selected" whenChoiceValue="Fruit,Car"', [CAR], True),
        ('visibleWhen="choice-selected" whenChoiceValue="Fruit"', [CAR], False),
        ('whenChoiceValue="Fruit, dried"', [chosen("theme", "Fruit, dried")], True),
        ('whenChoiceValue="Fruit, dried"', [FRUIT], False),
        ('whenTagName="theme"', [], True),
        ('visibleWhen="no-region-selected"', [], True),
        ('visibleWhen="someday" whenTagName="theme" whenChoiceValue="Fruit"', [CAR], True),
        ('visibleWhen="region-selected"', [], False),
        ('visibleWhen="region-selected"', [chosen("spans", "ORG", kind="labels")], True),
        ('visibleWhen="region-selected" whenTagName="spans"', [chosen("spans", "ORG", kind="labels")], True),
        ('visibleWhen="region-selected"', [chosen("spans", "ORG", kind="paragraphlabels")], True),
        ('visibleWhen="region-selected" whenTagName="others"', [chosen("spans", "ORG", kind="labels")], False),
        ('visibleWhen="region-selected" whenLabelValue="PER,ORG"', [chosen("spans", "ORG", kind="labels")], True),
        ('visibleWhen="region-selected" whenLabelValue="PER"', [chosen("spans", "ORG", kind="labels")], False),
        ('visibleWhen="region-selected" whenRole="user"', [chosen("spans", "ORG", kind="labels")], False),
    ],
)
def test_a_question_is_asked_as_its_condition_says(
    attributes: str, result: list[dict[str, Any]], is_asked: bool
) -> None:
    assert ("more" not in hidden(SPANS + THEME + asked(attributes), *result)) is is_asked


@pytest.mark.parametrize(
    ("view", "is_asked"),
    [
        (WHEN, True),
        (f'{WHEN} whenChoiceValue="Car"', False),
        ('visibleWhen="choice-selected"', True),
        # On a View the editor heeds no value without the name of a tag.
        ('visibleWhen="choice-selected" whenChoiceValue="Car"', True),
        ('whenChoiceValue="Fruit"', True),
        ('whenChoiceValue="Car"', False),
    ],
)
def test_a_condition_around_a_question_counts(view: str, is_asked: bool) -> None:
    config = f'{THEME}<View {view}><View><Header value="Why?"/>{asked("")}{SPANS}</View></View>'

    assert hidden(config, FRUIT) == (set() if is_asked else {"more", "spans"})


def test_all_conditions_around_a_question_have_to_hold() -> None:
    ripe = asked("", "ripe")
    inner = f'<View visibleWhen="choice-selected" whenTagName="ripe" whenChoiceValue="y">{asked("")}</View>'
    config = f'{THEME}{ripe}<View {WHEN} whenChoiceValue="Fruit">{inner}</View>'

    assert hidden(config, FRUIT, chosen("ripe", "y")) == set()
    assert hidden(config, FRUIT, chosen("ripe", "x")) == {"more"}
    assert hidden(config, CAR, chosen("ripe", "y")) == {"more"}


def test_an_answer_to_a_question_that_is_not_asked_decides_nothing() -> None:
    make = asked(f'{WHEN} whenChoiceValue="Car"', "make")
    model = asked('visibleWhen="choice-selected" whenTagName="make" whenChoiceValue="x"', "model")
    other = asked('visibleWhen="choice-unselected" whenTagName="make"', "other")

    assert hidden(model + other + make + THEME, FRUIT, chosen("make", "x")) == {"make", "model"}
    assert hidden(model + other + make + THEME, CAR, chosen("make", "x")) == {"other"}


def test_a_taxonomy_decides_by_the_last_step_of_a_path() -> None:
    choices = '<Choice value="A"><Choice value="B"/></Choice><Choice value="C"/>'
    tree = f'<Taxonomy name="theme" toName="text">{choices}</Taxonomy>'

    assert hidden(tree + asked(f'{WHEN} whenChoiceValue="B"'), chosen("theme", ["A", "B"], kind="taxonomy")) == set()
    assert hidden(tree + asked(f'{WHEN} whenChoiceValue="A"'), chosen("theme", ["A", "B"], kind="taxonomy")) == {"more"}


@pytest.mark.parametrize("tag", ["Labels", "Rating", "Number"])
def test_the_editor_heeds_conditions_on_some_tags_alone(tag: str) -> None:
    assert hidden(f'{THEME}<{tag} name="more" toName="text" {WHEN}/>') == set()


@pytest.mark.parametrize(
    "inside",
    [
        asked('visibleWhen="choice-selected" whenTagName="nobody"'),
        asked('visibleWhen="choice-selected" whenTagName="spans"') + SPANS,
        asked('visibleWhen="choice-selected"'),
        asked('visibleWhen="choice-selected" whenTagName="more"'),
        asked('visibleWhen="choice-selected" whenTagName="b"')
        + asked('visibleWhen="choice-selected" whenTagName="more"', "b"),
        asked('visibleWhen="choice-selected" whenTagName="b"')
        + asked('visibleWhen="choice-selected" whenTagName="c"', "b"),
    ],
)
def test_a_question_that_is_never_asked_is_named_and_left_out(inside: str) -> None:
    config = parse_label_config(f"<View>{TEXT}{inside}</View>")

    assert "more" not in {control.name for control in config.controls}
    assert any(fault.startswith("<Choices name='more'> ") and "visibleWhen" in fault for fault in config.faults)


def test_a_long_chain_of_questions_is_followed_at_once() -> None:
    links = (asked(f'visibleWhen="choice-selected" whenTagName="q{n}"', f"q{n + 1}") for n in range(2000))
    config = asked("", "q0") + "".join(links)
    answers = [chosen(f"q{n}", "x") for n in range(2001)]

    assert hidden(config, *answers) == set()
    assert len(hidden(config, *answers[:1000], *answers[1001:])) == 1000


@pytest.mark.parametrize(
    "region",
    [
        {"from_name": "theme", "type": "choices", "value": None},
        {"from_name": "theme", "type": "choices", "value": {"choices": "Fruit"}},
        {"from_name": "theme", "type": "choices", "value": {"choices": [{"Fruit": 1}, 7, None, []]}},
        {"from_name": None, "type": ["choices"], "value": {"choices": ["Fruit"]}},
        {"type": "labels", "value": {"labels": [{}, 1]}},
        {},
    ],
)
def test_what_is_malformed_decides_nothing(region: dict[str, Any]) -> None:
    assert hidden(THEME + asked(WHEN), region) == {"more"}
    assert hidden(SPANS + asked('visibleWhen="region-selected" whenLabelValue="PER"'), region) == {"more"}


def test_conditions_are_part_of_the_fingerprint_and_plain_configs_keep_theirs() -> None:
    plain = parse_label_config(f"<View>{TEXT}{THEME}</View>")
    two = [parse_label_config(f"<View>{TEXT}{THEME}{asked(each)}</View>").fingerprint for each in ("", WHEN)]

    assert plain.fingerprint == "5ab45f9c6080"
    assert len({*two, plain.fingerprint}) == 3
