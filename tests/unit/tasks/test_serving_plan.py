import pytest

from ml_backend.domain.field_texts import field_texts, join_fields
from ml_backend.errors import UnsupportedLabelConfig
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import find_kinds, serving_plan
from tests.unit.tasks.plans import plan

SINGLE = '<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'
MULTIPLE = '<Choices name="tags" toName="text" choice="multiple"><Choice value="a"/><Choice value="b"/></Choices>'
LABELS = '<Labels name="spans" toName="text"><Label value="a"/></Labels>'


def test_all_controls_of_a_config_are_served_in_its_order_each_by_its_kind() -> None:
    found = plan(LABELS + MULTIPLE + SINGLE)

    assert [(each.name, each.kind.name, each.kind.head) for each in found.controls] == [
        ("spans", "entities", "tags"),
        ("tags", "multiple_choice", "sigmoid"),
        ("topic", "classification", "softmax"),
    ]
    assert found.notices == ()


TITLE = '<Text name="title" value="$title"/>'


def test_choices_are_decided_on_all_texts_and_marks_on_their_own() -> None:
    found = plan(f"{SINGLE}{TITLE}{LABELS.replace('text', 'title')}")
    data = {"title": "Card", "text": "Lost, $1", "other": "x"}
    topic, spans = (each.control for each in found.controls)

    assert (found.fields, found.notices) == (("text", "title"), ())
    assert found.input(data) == field_texts(found.text(data)) == {"text": "Lost, $1", "title": "Card"}
    assert topic.text_in(found.text(data)) == found.text(data)
    assert spans.text_in(found.text(data)) == "Card"


def test_what_is_shown_beside_the_texts_is_said_not_to_be_read() -> None:
    found = plan(f'<Header value="$title"/><Header value="From $5 on"/><Image name="photo" value="$photo"/>{SINGLE}')

    assert found.notices == tuple(
        f"<{tag}> with {shown} is shown and not read, since it does not hold its text"
        for tag, shown in (("Header", "$title"), ("Image", "$photo"))
    )
    assert (found.fields, found.fixed_fields) == (("text",), ())


def test_a_response_is_asked_for_with_the_texts_as_people_read_them() -> None:
    (served,) = plan(f'{TITLE}<TextArea name="reply" toName="text" required="true"/>').controls

    assert served.control.text_in(join_fields({"title": "Card", "text": "Lost"})) == "title: Card\n\ntext: Lost"


def test_marks_in_one_of_several_texts_alone_leave_the_others_unread() -> None:
    assert plan(TITLE + LABELS).fields == ("text",)


@pytest.mark.parametrize(
    ("fields", "read", "unread"),
    [
        (("title", "text"), ("title", "text"), []),
        (("title", "gone"), ("title",), ["text"]),
        (("gone",), ("text", "title"), []),
        ((), ("text",), ["title"]),
    ],
)
def test_what_was_fixed_is_read_in_its_order_as_far_as_it_is_shown(
    fields: tuple[str, ...], read: tuple[str, ...], unread: list[str]
) -> None:
    found = serving_plan(plan(SINGLE + TITLE).config, fields)

    assert (found.fields, [each.field for each in found.unread]) == (read, unread)


@pytest.mark.parametrize(
    ("shown", "about"),
    [
        ("$title", "$title"),
        ('$title" encoding="base64unicode', "$title"),
        ('$text" encoding="base64unicode', "$text (encoding base64unicode)"),
    ],
)
def test_marks_in_a_text_that_is_not_read_are_not_served_and_said_so(shown: str, about: str) -> None:
    config = plan(f'<Text name="title" value="{shown}"/>{SINGLE}{LABELS.replace("text", "title")}').config
    found = serving_plan(config, ())

    assert [each.name for each in found.controls] == ["topic"]
    assert found.notices == (
        f"<Labels name='spans'> is about {about}, and the controls that are served are about $text",
    )


def test_the_notice_names_the_encoding_of_the_text_that_is_served_too() -> None:
    title = '<Text name="title" value="$text" encoding="base64"/>'
    notices = plan(title + LABELS.replace("text", "title") + SINGLE).notices

    assert notices == (
        "<Choices name='topic'> is about $text, and the controls that are served are about $text (encoding base64)",
    )


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        (SINGLE.replace("<Choices ", '<Choices perRegion="true" '), "is asked per region, not per task"),
        (MULTIPLE.replace("<Choices ", '<Choices perRegion="true" '), "is asked per region, not per task"),
        (MULTIPLE.replace("<Choices ", '<Choices value="$options" '), "takes labels from each task"),
        (LABELS.replace("<Labels ", '<Labels value="$options" '), "takes labels from each task"),
        (
            MULTIPLE.replace('<Choice value="a"/>', '<Choice value="a"><Choice value="c"/></Choice>'),
            "has choices inside choices, and wanted are all of them side by side",
        ),
        (
            SINGLE.replace('<Choice value="a"/>', '<Choice value="a"><Choice value="c"/></Choice>'),
            "has choices inside choices, and wanted are all of them side by side",
        ),
        (LABELS.replace('<Label value="a"/>', ""), "lists no labels in the label config"),
        (SINGLE.replace("<Choices ", '<Choices PERREGION="true" '), "is asked per region, not per task"),
        (SINGLE.replace("<Choices ", '<Choices perItem="true" '), "is asked per item (perItem), not per task"),
        ('<DateTime name="when" toName="text"/>', "is of a kind that stays in Label Studio and its exports"),
        ('<Ranker name="order" toName="text"/>', "is about <Text>, and its items stand in a <List"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(control: str, reason: str) -> None:
    with pytest.raises(UnsupportedLabelConfig) as error:
        plan(control)

    assert f"> {reason}" in str(error.value)


def test_a_text_area_that_may_be_left_empty_is_a_box_for_remarks_unless_there_is_nothing_else() -> None:
    remarks = '<TextArea name="remarks" toName="text"/>'

    (notice,) = plan(SINGLE + remarks).notices
    assert notice.startswith("<TextArea name='remarks'> may be left empty, as a box for remarks may; with")
    (alone,) = plan(remarks).controls
    assert (alone.name, alone.kind.has_labels, alone.answer([], "x").target) == ("remarks", False, None)


@pytest.mark.parametrize("enough", ["", SINGLE])
def test_a_tag_of_the_enterprise_edition_is_named(enough: str) -> None:
    config = parse_label_config(
        f'<View><Chat name="chat" value="$chat"/><Text name="text" value="$text"/>{enough}</View>'
    )

    try:
        said = "".join(serving_plan(config).notices)
    except UnsupportedLabelConfig as error:
        said = str(error)

    assert (
        "<Chat name='chat'> is a tag of Label Studio Enterprise: the Community edition shows annotators an error"
        in said
    )
    assert 'with <Paragraphs name=\'chat\' value="$chat" nameKey="role" textKey="content"/>' in said
    assert bool(enough) is ("cannot serve" not in said)


def test_a_project_that_reads_one_text_goes_on_reading_it_where_more_kinds_of_objects_are_read() -> None:
    kind = SINGLE.replace("topic", "kind").replace('toName="text"', 'toName="page"')
    page = f'<HyperText name="page" value="$page"/>{kind}'
    config = parse_label_config(f'<View>{page}<Text name="text" value="$text"/>{SINGLE}</View>')

    assert serving_plan(config, fields=()).fields == ("text",)
    assert serving_plan(config).fields == ("page", "text")


@pytest.mark.parametrize("control", [SINGLE, MULTIPLE, LABELS])
@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ('<Image name="text" value="$text"/>', "is about <Image>, which is not read"),
        ('<Text name="text" value="💬 10"/>', 'the same in all tasks; wanted is one with value="\\$field"'),
    ],
)
def test_only_texts_of_the_tasks_are_served(control: str, shown: str, reason: str) -> None:
    with pytest.raises(UnsupportedLabelConfig, match=reason):
        serving_plan(parse_label_config(f"<View>{shown}{control}</View>"))


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ('valueType="url"', 'valueType="url">: tasks hold an address there'),
        ('valuetype="url"', 'valueType="url">: tasks hold an address there'),
        ('VALUETYPE="url" encoding="base64"', "import tasks that hold the texts themselves, and take valueType away"),
        ('resolver="csv|column=2"', 'resolver="csv|column=2">: tasks hold an address there'),
        ('encoding="rot13"', 'encoding="rot13">, and wanted is none or base64 or base64unicode'),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_by_name_and_the_others_are_served(shown: str, reason: str) -> None:
    behind = LABELS.replace('toName="text"', 'toName="letter"')
    letter = f'<Text name="letter" value="$letter" {shown}/>'

    found = serving_plan(parse_label_config(f'<View>{letter}{behind}<Text name="text" value="$text"/>{SINGLE}</View>'))

    assert [each.name for each in found.controls] == ["topic"]
    (notice,) = found.notices
    assert notice.startswith("<Labels name='spans'> is about <Text name='letter' ")
    assert reason in notice
    with pytest.raises(UnsupportedLabelConfig, match="<Text name='letter'"):
        serving_plan(parse_label_config(f"<View>{letter}{behind}</View>"))


def test_what_cannot_be_read_stands_among_the_notices_and_in_the_refusal_of_all() -> None:
    nameless = '<Choices toName="text"><Choice value="x"/></Choices>'

    assert plan(SINGLE + nameless).notices == (
        "<Choices toName='text'> has no name; give it one, such as name=\"label\"",
    )
    with pytest.raises(UnsupportedLabelConfig, match="<Choices toName='text'> has no name"):
        plan(nameless)


def test_a_control_without_the_name_of_its_object_is_served_and_said_to_get_no_pre_label() -> None:
    (notice,) = plan(SINGLE.replace('toName="text"', "")).notices

    assert notice.startswith("<Choices name='topic'> has no toName: the editor takes 'text' for it")


def test_a_control_that_waits_for_one_that_is_not_served_is_said_to_get_no_pre_label() -> None:
    tree = '<Taxonomy name="tree" toName="text" apiUrl="https://example.org"><Choice value="a"/></Taxonomy>'
    when = 'visibleWhen="choice-{}" whenTagName="tree"'

    waits, does_not = (
        plan(tree + SINGLE.replace("<Choices ", f"<Choices {when.format(each)} "))
        for each in ("selected", "unselected")
    )

    assert [each.name for each in waits.controls] == [each.name for each in does_not.controls] == ["topic"]
    assert waits.notices[1].startswith("<Choices name='topic'> is asked after an answer to 'tree', which is not served")
    assert len(does_not.notices) == 1


def test_the_refusal_of_a_whole_config_names_what_would_be_served() -> None:
    with pytest.raises(UnsupportedLabelConfig) as error:
        plan("")

    by_themselves = [kind.example for kind in find_kinds().values() if not kind.kind_of_each]
    assert all(example in str(error.value) for example in by_themselves)
