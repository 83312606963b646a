"""Labels inside labels."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.domain.annotation import Region
from ml_backend.domain.model import ScoredTarget
from ml_backend.errors import UnsupportedLabelConfig
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.models.decoders.taxonomy import TaxonomyDecoder, with_parents
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.tasks import find_kinds
from tests.unit.tasks.plans import control, plan

KIND = find_kinds()["taxonomy"]
TREE = """<Choice value="Plant"><Choice value="Tree" alias="t"><Choice value="Oak"/></Choice></Choice>
<Choice value="Animal" alias="a"><Choice value="Dog"/><Choice value="Cat"/></Choice><Choice value="Other"/>"""
XML = f'<Taxonomy name="topic" toName="text">{TREE}</Taxonomy>'
NESTED = f'<Choices name="topic" toName="text" choice="multiple" allowNested="true">{TREE}</Choices>'
TAXONOMY, CHOICES = control(XML), control(NESTED)
LABELS = ("Plant", "Plant > t", "Plant > t > Oak", "a", "a > Dog", "a > Cat", "Other")


def region(paths: Any, kind: str = "taxonomy") -> Region:
    return {"from_name": "topic", "to_name": "text", "type": kind, "value": {kind: paths}}


def test_labels_are_named_by_their_whole_paths_with_aliases_as_they_are_stored() -> None:
    assert TAXONOMY.label_values == CHOICES.label_values == LABELS
    assert [label.path for label in TAXONOMY.labels][1:3] == [("Plant", "t"), ("Plant", "t", "Oak")]
    assert [label.display for label in TAXONOMY.labels][1:4] == ["Plant > Tree", "Plant > Tree > Oak", "Animal"]


@pytest.mark.parametrize(
    ("paths", "answer"),
    [
        ([["Plant", "t", "Oak"]], ("Plant", "Plant > t", "Plant > t > Oak")),
        ([["a"], ["a", "Dog"], ["Other"]], ("Other", "a", "a > Dog")),
        ([], ()),
        ([["Oak"]], ("Oak",)),
        ([["a", "Oak"]], ("a > Oak",)),
        (["Other"], ("Other",)),
        ([["Plant", 3]], None),
        ([[]], None),
        ("Other", None),
    ],
)
@pytest.mark.parametrize("kind", ["taxonomy", "choices"])
def test_a_label_counts_with_its_parents_and_a_piece_of_a_path_is_no_label_of_the_config(
    kind: str, paths: Any, answer: tuple[str, ...] | None
) -> None:
    asked = TAXONOMY if kind == "taxonomy" else CHOICES

    assert KIND.read(asked, [region(paths, kind)], "a text").target == answer


@pytest.mark.parametrize(
    ("attributes", "target", "paths"),
    [
        ("", ("a > Dog",), [["a", "Dog"]]),
        ("", ("Plant", "Plant > t", "a", "a > Cat", "a > Dog"), [["Plant", "t"], ["a", "Dog"], ["a", "Cat"]]),
        ("", ("Plant > t > Gone", "Gone"), []),
        ('leafsOnly="true"', ("Plant", "Plant > t", "Other"), [["Other"]]),
        ('maxUsages="1"', ("Other", "a", "a > Dog"), [["Other"]]),
    ],
)
def test_full_paths_of_the_innermost_labels_are_written(
    attributes: str, target: tuple[str, ...], paths: list[list[str]]
) -> None:
    asked = control(XML.replace("<Taxonomy ", f"<Taxonomy {attributes} "))

    regions = KIND.write(asked, ScoredTarget(target, 0.5, {"Other": 0.9, "a > Dog": 0.8}), "a text")

    assert [each["value"]["taxonomy"] for each in regions] == ([paths] if paths else [])


def test_one_choice_inside_another_is_one_path_and_is_not_sent_in_bulk() -> None:
    single = control(NESTED.replace('choice="multiple"', 'choice="single"'))

    (found,) = KIND.write(single, ScoredTarget(("Other", "a", "a > Dog"), 0.5, {"a > Dog": 0.8}), "a text")

    assert found["value"] == {"choices": [["a", "Dog"]]}
    assert KIND.is_refused_in_bulk(single)
    assert not KIND.is_refused_in_bulk(TAXONOMY)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ('<Taxonomy name="topic" toName="text"/>', "lists no labels"),
        ('<Taxonomy name="topic" toName="text" apiUrl="https://example.org/x"/>', "from apiUrl"),
        ('<Taxonomy name="topic" toName="text" value="$tree"/>', "takes labels from each task"),
        (NESTED.replace('allowNested="true"', ""), "choices inside choices"),
    ],
)
def test_a_tree_that_cannot_be_known_is_refused_by_name(xml: str, reason: str) -> None:
    with pytest.raises(UnsupportedLabelConfig, match=reason):
        plan(xml)


def test_a_question_may_wait_for_the_innermost_label_by_either_of_its_names() -> None:
    asked = '<Choices name="size" toName="text" visibleWhen="choice-selected" whenTagName="topic" whenChoiceValue="{}">'
    choices = '<Choice value="small"/><Choice value="big"/></Choices>'
    for name in ("Tree", "t"):
        config = parse_label_config(f'<View><Text name="text" value="$text"/>{XML}{asked.format(name)}{choices}</View>')
        assert config.hidden([region([["Plant"]])]) == {"size"}
        assert config.hidden([region([["Plant", "t"]])]) == frozenset()


def is_whole(labels: set[str]) -> bool:
    return set(with_parents(list(labels))) == labels


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_set_that_is_answered_is_the_likeliest_that_keeps_labels_with_their_parents(seed: int) -> None:
    decoder = TaxonomyDecoder(labels=LABELS)
    chances = np.random.default_rng(seed).uniform(0.01, 0.99, size=(1, len(LABELS)))
    sets = [np.array(each) for each in product([False, True], repeat=len(LABELS))]
    allowed = [each for each in sets if is_whole({label for label, is_in in zip(LABELS, each, strict=True) if is_in})]
    likelihood = [np.where(each, np.log(chances[0]), np.log1p(-chances[0])).sum() for each in allowed]

    (found,) = decoder.chosen(chances)

    np.testing.assert_array_equal(found, allowed[int(np.argmax(likelihood))])


def test_of_single_paths_the_likeliest_is_answered_and_a_parent_is_as_likely_as_all_that_lies_inside() -> None:
    decoder = TaxonomyDecoder(labels=LABELS, is_one_path=True)
    ends = np.array([[0.05, 0.05, 0.3, 0.02, 0.25, 0.28, 0.05]])

    (answer,) = decoder.answers(np.log(ends), TokenisedTexts.whole([[0]]))

    assert answer.target == ("Plant", "Plant > t", "Plant > t > Oak")
    assert answer.score == pytest.approx(0.3)
    assert answer.scores["Plant"] == pytest.approx(0.4)
    assert answer.scores["a"] == pytest.approx(0.55)
