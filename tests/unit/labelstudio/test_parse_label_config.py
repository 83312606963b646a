"""Label configs: what is read from them, and what is refused, hostile ones among it."""

import re
import time
from collections.abc import Callable

import pytest

from ml_backend.domain.label_config import Control, Label, LabelConfig
from ml_backend.errors import UnreadableLabelConfig
from ml_backend.labelstudio.config.parse import parse_label_config

CHOICES = '<Choices name="c" toName="text"><Choice value="A"/><Choice value="B"/></Choices>'
TEXT = '<Text name="text" value="$text"/>'


def parsed(inside: str) -> LabelConfig:
    return parse_label_config(f"<View>{inside}</View>")


def control(inside: str) -> Control:
    (found,) = parsed(inside).controls
    return found


def test_a_control_knows_its_object_its_labels_and_its_attributes() -> None:
    found = control(
        '<Header value="Which?"/><Text name="text" value="$body"/>'
        '<Choices name="topic" toName="text" choice="single" showInLine="true">'
        '<Choice value="Sports" hint="Games and players"/><Choice value="Politics" alias="pol"/></Choices>'
    )

    assert (found.name, found.tag) == ("topic", "Choices")
    assert (found.object.name, found.object.tag, found.object.field) == ("text", "Text", "body")
    assert found.labels == (Label("Sports", "Sports", "Games and players"), Label("pol", "Politics", None))
    assert found.attributes == {"name": "topic", "toname": "text", "choice": "single", "showinline": "true"}


def test_several_controls_come_in_document_order_wherever_they_stand() -> None:
    config = parsed(
        '<View style="x"><Rating name="r" toName="text"/></View>'
        f'{TEXT}<View visibleWhen="region-selected"><View>{CHOICES}</View></View>'
        '<Labels name="l" toName="text"><Label value="PER" background="red"/><Label value="ORG"/></Labels>'
        '<TextArea name="t" toName="text" perRegion="true"/>'
    )

    assert [(each.name, each.tag, each.label_values) for each in config.controls] == [
        ("r", "Rating", ("1", "2", "3", "4", "5")),
        ("c", "Choices", ("A", "B")),
        ("l", "Labels", ("PER", "ORG")),
        ("t", "TextArea", ()),
    ]


@pytest.mark.parametrize(
    ("tag", "inside", "values"),
    [
        (
            "Choices",
            (
                '<View><Choice value="Animal"><Choice value="Dog"/><Choice value="Cat" alias="feline"/></Choice></View>'
                '<Choice value="Plant"/>'
            ),
            ("Animal", "Dog", "feline", "Plant"),
        ),
        (
            "Taxonomy",
            '<Choice value="Dog"><Choice value="Other"/></Choice><Choice value="Cat"><Choice value="Other"/></Choice>',
            ("Dog", "Dog > Other", "Cat", "Cat > Other"),
        ),
        ("Choices", '<Choice value="Zoë 👩‍👩‍👧"/><Choice value="&lt;b&gt; &amp; &#x41;"/>', ("Zoë 👩‍👩‍👧", "<b> & A")),
        (
            "Choices",
            '<Choice value="A"/><View><Choice value="A"/></View><Choice value="B"/><Choice value="A"/>',
            ("A", "B"),
        ),
        ("Choices", '<Choice value="Yes" alias="y"/><Choice value="y"/><Choice value="No" alias="n"/>', ("y", "n")),
        ("Choices", '<Choice value="a"/><Choice value="A"/><Choice value=" a"/>', ("a", "A", " a")),
    ],
)
def test_labels_are_found_at_any_depth_and_one_that_stands_twice_is_one(
    tag: str, inside: str, values: tuple[str, ...]
) -> None:
    found = parsed(f'{TEXT}<{tag} name="c" toName="text">{inside}</{tag}>')

    assert (found.controls[0].label_values, found.faults) == (values, ())


def test_labels_of_a_control_inside_another_are_its_own() -> None:
    config = parsed(
        f'{TEXT}<Choices name="outer" toName="text"><Choice value="A"/>'
        '<Choices name="inner" toName="text"><Choice value="B"/></Choices></Choices>'
    )

    assert {each.name: each.label_values for each in config.controls} == {"outer": ("A",), "inner": ("B",)}


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        (
            '<Text name="a" value="$a"/><Text name="b" value="$b"/><Pairwise name="p" toName="b, a"/>',
            ("b", "Text", "b"),
        ),
        (f'{CHOICES}<Paragraphs name="text" valueList="$turns"/>', ("text", "Paragraphs", "turns")),
    ],
)
def test_the_first_of_several_objects_counts_and_may_stand_after_its_control(
    inside: str, shown: tuple[str, ...]
) -> None:
    found = control(inside).object

    assert (found.name, found.tag, found.field) == shown


@pytest.mark.parametrize(
    "xml",
    [
        *("\ufeff<View/>", "  \n<View/>\n ", '\ufeff\n<?xml version="1.0" encoding="latin-1"?><View/>'),
        f"<!-- a -->\n<View>{TEXT}</View>\n<!-- b -->",
    ],
)
def test_byte_order_marks_space_comments_and_declared_encodings_do_not_matter(xml: str) -> None:
    assert (parse_label_config(xml).controls, parse_label_config(xml).xml) == ((), xml)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "the label config is empty"),
        (" \n ", "the label config is empty"),
        ("<View>", "not well-formed XML: no element found"),
        ("<View/><View/>", "not well-formed XML: junk after document element"),
        ("<View>&unknown;</View>", "not well-formed XML: undefined entity"),
        ("<View>\x00</View>", "not well-formed XML"),
        ("<View>\ud800</View>", "not text that XML can hold"),
        ("<Header/>", "outermost tag is <Header>; Label Studio wants <View>"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(xml: str, message: str) -> None:
    with pytest.raises(UnreadableLabelConfig, match=message):
        parse_label_config(xml)


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        ('<Choices toName="text"/>', "<Choices toName='text'> has no name; give it one"),
        ("<TextArea/>", "<TextArea toName=''> has no name"),
        (
            '<Labels name="l" toName="txt"/>',
            "<Labels name='l'> has toName='txt', but no tag has that name (objects found: ",
        ),
        ('<Choices name="l" toName=""/>', "<Choices name='l'> does not say what it is about; name a tag"),
        ('<Choices name="l"><Choice value="x"/></Choices>', "<Choices name='l'> does not say what it is about"),
        (CHOICES.replace('"c"', '"l"') * 2, "<Choices name='l'> shares its name with another tag"),
        ('<Rating name="title" toName="text"/>', "<Rating name='title'> shares its name with another tag"),
        (
            '<Text name="twin" value="$a"/><Text name="twin" value="$b"/><Number name="l" toName="twin"/>',
            "<Number name='l'> has toName='twin', and several tags have that name",
        ),
        (
            (
                '<Repeater on="$parts" indexFlag="{{idx}}"><Text name="part_{{idx}}" value="$parts[{{idx}}].text"/>'
                '<Choices name="l_{{idx}}" toName="part_{{idx}}"><Choice value="x"/></Choices></Repeater>'
            ),
            "<Choices name='l_{{idx}}'> stands in a <Repeater>, so a task has as many of it as it has items",
        ),
        (
            '<repeater on="$parts"><View><Choices name="l_{{idx}}" toName="text"/></View></repeater>',
            "<Choices name='l_{{idx}}'> stands in a <Repeater>",
        ),
        (
            '<Choices name="l" toName="text" visibleWhen="choice-selected" whenTagName="nobody"/>',
            "<Choices name='l'> is asked after an answer to 'nobody' alone (visibleWhen), and nobody can choose one",
        ),
    ],
)
def test_a_control_that_cannot_be_read_is_named_and_takes_no_other_with_it(inside: str, fault: str) -> None:
    found = parsed(f'{TEXT}<Text name="title" value="$title"/>{CHOICES}{inside}')

    assert [each.label_values for each in found.controls if each.name == "c"] == [("A", "B")]
    assert [each.name for each in found.controls if each.name.startswith("l")] == []
    assert any(fault in each for each in found.faults), found.faults


def test_the_editor_takes_the_only_object_for_a_control_that_names_none() -> None:
    found = parsed(f'{TEXT}<Header value="Hello"/><Rating name="r"/><choices name="c"><choice value="x"/></choices>')

    assert [(each.name, each.object.name) for each in found.controls] == [("r", "text"), ("c", "text")]
    assert found.faults == ()


@pytest.mark.parametrize("inside", ["", '<Choice value=""/>', "<View><Choice/></View>", '<Choice hint="what is it"/>'])
def test_a_label_without_a_value_is_left_out_and_said_so(inside: str) -> None:
    found = parsed(f'{TEXT}<Choices name="c" toName="text"><Choice value="A"/>{inside}<Choice value="B"/></Choices>')

    assert found.controls[0].label_values == ("A", "B")
    assert len(found.faults) == bool(inside)
    assert all(
        "<Choices name='c'> holds a <Choice> without a value, which is left out" in each for each in found.faults
    )


@pytest.mark.parametrize("spelled", [str.upper, str.lower, str.title])
def test_names_are_read_in_any_case(spelled: Callable[[str], str]) -> None:
    xml = (
        '<View><Text name="text" value="$text"/><Choices name="c" toName="text" choice="multiple" perRegion="true">'
        '<Choice value="x" alias="y"/></Choices></View>'
    )
    xml = re.sub(r"(?<=[<\s/])[a-zA-Z]+(?=[\s=>/])", lambda name: spelled(name[0]), xml)

    (found,) = parse_label_config(xml).controls

    assert (found.tag, found.object.tag, found.object.field) == ("Choices", "Text", "text")
    assert found.labels == (Label("y", "x"),)
    assert found.attributes["choice"] == "multiple"
    assert found.has("perregion")


def test_spellings_with_which_label_studio_imports_no_predictions_are_named() -> None:
    labels = '<Choice value="x" ALIAS="y"/><Choice Value="z" Hint="any case is fine here"/>'

    found = parsed(f'{TEXT}<Choices name="c" toname="text" CHOICE="multiple">{labels}</Choices>')

    assert found.controls[0].label_values == ("y", "z")
    (fault,) = found.faults
    assert fault.startswith("Label Studio refuses pre-labels of controls that are written with ALIAS, Value, toname, ")
    assert fault.endswith("; write alias, value, toName")


def test_text_inside_a_tag_comes_before_its_value_as_in_the_editor() -> None:
    found = control(
        '<Text name="text" value="$other"> $body </Text>'
        '<Choices name="c" toName="text"><Choice value="one"> Uno &amp; solo </Choice><Choice value="two"> </Choice>'
        "</Choices>"
    )

    assert found.object.field == "body"
    assert found.label_values == ("Uno &amp; solo", "two")


@pytest.mark.parametrize(
    ("inside", "is_dynamic"),
    [
        ('<Choices name="c" toName="text" value="$options"/>', True),
        ('<Choices name="c" toName="text" value=" $options "><Choice value="Fixed"/></Choices>', True),
        ('<Choices name="c" toName="text"><Choice value="$first"/><Choice value="$second"/></Choices>', True),
        ('<Labels name="c" toName="text"><Label value="A"/><Label value="Under $price"/></Labels>', True),
        # An alias, a first text, a dollar by itself, and an amount.
        (
            '<Choices name="c" toName="text"><Choice value="$a" alias="A"/><Choice value="5 $" alias="B"/></Choices>',
            False,
        ),
        ('<TextArea name="c" toName="text" value="$draft"/>', False),
        ('<Labels name="c" toName="text"><Label value="US$"/><Label value="A"/></Labels>', False),
        ('<Choices name="c" toName="text"><Choice value="up to $5"/><Choice value="$5-$10"/></Choices>', False),
    ],
)
def test_labels_that_come_from_the_tasks_are_said_to(inside: str, is_dynamic: bool) -> None:
    found = control(TEXT + inside)

    assert found.is_dynamic is is_dynamic
    assert not (is_dynamic and found.labels)


BILLION_LAUGHS = (
    '<!DOCTYPE View [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]><View>&a9;</View>"
)


@pytest.mark.parametrize(
    "xml",
    [
        BILLION_LAUGHS,
        '<!DOCTYPE View [<!ENTITY x SYSTEM "file:///etc/passwd">]><View>&x;</View>',
        '<!DOCTYPE View [<!ENTITY % x SYSTEM "http://localhost:1/x.dtd"> %x;]><View/>',
        '<!DOCTYPE View SYSTEM "http://localhost:1/x.dtd"><View/>',
        "<!DOCTYPE View><View/>",
    ],
    ids=["billion laughs", "file", "parameter entity", "external DTD", "plain doctype"],
)
def test_entities_and_doctypes_are_refused_without_being_expanded(xml: str) -> None:
    before = time.perf_counter()

    with pytest.raises(UnreadableLabelConfig, match=r"remove the <!DOCTYPE \.\.\.> part"):
        parse_label_config(xml)

    assert time.perf_counter() - before < 1


def test_deep_nesting_is_refused_before_it_can_do_harm() -> None:
    at_the_limit = "<View>" * 100 + "</View>" * 100
    beyond = "<View>" * 50_000 + "</View>" * 50_000

    assert parse_label_config(at_the_limit).controls == ()
    with pytest.raises(UnreadableLabelConfig, match="more than 100 tags inside one another, at <View>"):
        parse_label_config(beyond)


def test_a_config_beyond_a_megabyte_is_refused_by_its_bytes() -> None:
    padding = "é" * (2**19 - 10)

    assert parse_label_config(f"<View>{padding}</View>").controls == ()
    with pytest.raises(UnreadableLabelConfig, match="at most 1048576 are read"):
        parse_label_config(f"<View>{padding}éééé</View>")


def test_thousands_of_labels_are_read_quickly() -> None:
    choices = "".join(f'<Choice value="Label {number}"/>' for number in range(10_000))
    before = time.perf_counter()

    found = control(f'{TEXT}<Choices name="c" toName="text">{choices}</Choices>')

    assert len(found.labels) == 10_000
    assert time.perf_counter() - before < 2
