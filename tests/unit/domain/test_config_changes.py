from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.config_changes import Absence, absences, config_changes
from ml_backend.domain.label_config import ChoiceMade, Control, Label, LabelConfig
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.project import SeenConfig

TEXT = ObjectTag("text", "Text", "text")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEGINNING = datetime.min.replace(tzinfo=UTC)


def choices(name: str, *labels: str, choice: str = "single", shown: ObjectTag = TEXT) -> Control:
    return Control(name, "Choices", shown, tuple(Label(label, label) for label in labels), {"choice": choice})


def spans(name: str, *labels: str) -> Control:
    return Control(name, "Labels", TEXT, tuple(Label(label, label) for label in labels))


def config(*controls: Control) -> LabelConfig:
    return LabelConfig("<View/>", controls)


TOPIC = choices("topic", "Billing", "Shipping", "Returns")


NEW_PARTS = (
    "the control 'parts' is new: no version answers it before a training on rows that do, and annotations made before "
    "it came say nothing about it."
)
RENAMED = (
    "the control 'topic' seems to be called 'subject' now: annotations and versions know it under its old name alone, "
    "so both are left out; name it 'topic' again to keep them."
)
RENAMED_LABEL = (
    "the label 'Returns' of 'topic' seems to be 'Refunds' now: annotations with 'Returns' are left out, and 'Refunds' "
    'is new to every version; to rename what people see and keep both, write value="Refunds" alias="Returns".'
)


def changes(*after: Control, before: Control = TOPIC) -> tuple[str, ...]:
    return config_changes(config(before), config(*after))


def test_nothing_has_changed_where_labels_stand_in_another_order() -> None:
    assert changes(choices("topic", "Returns", "Billing", "Shipping")) == ()
    assert config_changes(config(TOPIC, spans("parts", "A")), config(spans("parts", "A"), TOPIC)) == ()


@pytest.mark.parametrize(
    ("after", "sentences"),
    [
        (
            [choices("topic", "Billing", "Shipping", "Returns", "Tax", "Legal")],
            ["'topic' now has 'Tax', 'Legal', too: no version gives it before a training on rows that have it."],
        ),
        (
            [choices("topic", "Billing", "Shipping")],
            ["'topic' no longer has 'Returns': annotations with such a label are left out, and it is never suggested."],
        ),
        (
            [choices("topic", "Billing", "Shipping", "Refunds")],
            [RENAMED_LABEL],
        ),
        (
            [spans("parts", "A")],
            [
                "the control 'topic' is gone: its annotations are left out, and no answer to it is shown any more.",
                NEW_PARTS,
            ],
        ),
        (
            [choices("subject", "Billing", "Shipping", "Returns", "Tax"), spans("parts", "A")],
            [
                RENAMED,
                NEW_PARTS,
                "'subject' now has 'Tax', too: no version gives it before a training on rows that have it.",
            ],
        ),
    ],
    ids=["a label added", "a label removed", "a label renamed", "controls come and go", "a control renamed"],
)
def test_what_has_changed_is_said(after: list[Control], sentences: list[str]) -> None:
    assert list(changes(*after)) == sentences


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (spans("parts", "A"), spans("parts", "A", "B")),
        (choices("parts", "A", choice="multiple"), choices("parts", "A", "B", choice="multiple")),
    ],
)
def test_old_annotations_deny_a_new_label_where_several_may_apply(before: Control, after: Control) -> None:
    (sentence,) = changes(after, before=before)

    assert sentence == (
        "'parts' now has 'B', too: no version gives it before a training on rows that have it, and annotations made "
        "before count as not having it; label some of those again."
    )


def test_many_labels_are_not_all_listed() -> None:
    (sentence,) = changes(choices("topic", *TOPIC.label_values, *(f"new {n}" for n in range(9))))

    assert "'new 4' and 4 more" in sentence


@pytest.mark.parametrize(
    ("after", "described"),
    [
        (choices("topic", *TOPIC.label_values, choice="multiple"), '<Choices choice="multiple"> about $text'),
        (spans("topic", *TOPIC.label_values), "<Labels> about $text"),
        (choices("topic", *TOPIC.label_values, shown=ObjectTag("text", "Text", "body")), "about $body"),
    ],
)
def test_a_control_may_become_another_kind_or_be_about_another_field(after: Control, described: str) -> None:
    (sentence,) = changes(after)

    assert sentence.startswith("the control 'topic' was <Choices choice=\"single\"> about $text and is ")
    assert described in sentence


names = st.sampled_from("abcdef")
controls = st.builds(
    lambda name, labels, choice: choices(name, *sorted(labels), choice=choice),
    names,
    st.frozensets(names, min_size=1),
    st.sampled_from(["single", "multiple"]),
)
configs = st.lists(controls, max_size=4, unique_by=lambda control: control.name).map(lambda found: config(*found))


@given(configs, configs)
def test_there_is_something_to_say_exactly_where_something_differs(before: LabelConfig, after: LabelConfig) -> None:
    def essence(each: LabelConfig) -> dict[str, tuple[str, frozenset[str]]]:
        return {c.name: (c.attributes["choice"], frozenset(c.label_values)) for c in each.controls}

    assert bool(config_changes(before, after)) == (essence(before) != essence(after))


PARTS = spans("parts", "A")
ALONE, BOTH = config(TOPIC), config(TOPIC, PARTS)


def hour(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


def seen(
    *configs_in_order: LabelConfig, unconfirmed: Collection[int] = ()
) -> list[tuple[SeenConfig, Sequence[Control]]]:
    """One config an hour, from noon on."""
    return [
        (SeenConfig(each.xml, each.fingerprint, hour(hours), hours not in unconfirmed), each.controls)
        for hours, each in enumerate(configs_in_order)
    ]


MORE = config(choices("topic", "A", "B"))
RENAMED_AND = config(TOPIC, spans("pieces", "A"))
MULTIPLE = config(choices("topic", *TOPIC.label_values, choice="multiple"))
OTHER_FIELD = config(choices("topic", *TOPIC.label_values, shown=ObjectTag("text", "Text", "body")))
SINCE_FIRST = (Absence(BEGINNING, hour(1)),)


@pytest.mark.parametrize(
    ("configs_in_order", "absent"),
    [
        # A control that was there all the time was never absent.
        ([], {}),
        ([ALONE], {}),
        ([ALONE, MORE, BOTH, ALONE], {}),
        # It is absent before it comes and while it is gone.
        ([ALONE, BOTH, BOTH], {"parts": SINCE_FIRST}),
        ([BOTH, ALONE, BOTH], {"parts": (Absence(hour(1), hour(2)),)}),
        ([ALONE, BOTH, ALONE, ALONE, BOTH, BOTH], {"parts": (*SINCE_FIRST, Absence(hour(2), hour(4)))}),
        ([ALONE, BOTH, ALONE], {}),
        # One that was renamed and back is absent meanwhile alone.
        ([BOTH, RENAMED_AND, BOTH], {"parts": (Absence(hour(1), hour(2)),)}),
        ([BOTH, RENAMED_AND], {"pieces": SINCE_FIRST}),
        # One of another kind or field has come anew.
        ([ALONE, MULTIPLE], {"topic": SINCE_FIRST}),
        ([ALONE, ALONE, OTHER_FIELD], {"topic": (Absence(BEGINNING, hour(2)),)}),
        ([ALONE, MULTIPLE, ALONE], {"topic": (Absence(hour(1), hour(2)),)}),
    ],
)
def test_a_control_is_absent_before_it_comes_and_while_it_is_gone(
    configs_in_order: list[LabelConfig], absent: dict[str, tuple[Absence, ...]]
) -> None:
    assert absences(seen(*configs_in_order)) == absent


def test_a_config_that_nobody_confirmed_takes_no_control_away() -> None:
    assert absences(seen(BOTH, ALONE, BOTH, unconfirmed=[1])) == {}
    assert absences(seen(ALONE, BOTH, ALONE, BOTH, unconfirmed=range(3))) == {"parts": SINCE_FIRST}
    assert absences(seen(BOTH, ALONE, ALONE, BOTH, unconfirmed=[0, 1])) == {"parts": (Absence(hour(2), hour(3)),)}


@pytest.mark.parametrize(
    ("moment", "is_covered"),
    [(hour(0), False), (hour(1), True), (hour(2) - timedelta(seconds=1), True), (hour(2), False)],
)
def test_an_absence_ends_when_the_control_is_back(moment: datetime, is_covered: bool) -> None:
    assert Absence(hour(1), hour(2)).covers(moment) is is_covered


def test_a_control_that_is_asked_where_it_was_not_before_has_come_anew() -> None:
    on_tax, on_all = ChoiceMade(("topic",), ("Tax",)), ChoiceMade(("topic",))
    always, mostly, seldom = (
        replace(spans("parts", "A"), conditions=each) for each in ((), (on_all,), (on_all, on_tax))
    )

    for before, after in ((mostly, always), (seldom, mostly)):
        assert absences(seen(config(before), config(after))) == {"parts": SINCE_FIRST}
        assert absences(seen(config(after), config(before))) == {}
        (sentence,) = config_changes(config(before), config(after))
        assert sentence.startswith("'parts' is asked where it was not before (visibleWhen)")
        assert config_changes(config(after), config(before)) == ()
