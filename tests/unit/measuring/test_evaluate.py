import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import ScoredTarget
from ml_backend.errors import TrainingError
from ml_backend.measuring.evaluation import Evaluation, count_parts

LABELS = "abcde"
PAIRS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcdef")), min_size=1, max_size=60)


@settings(max_examples=40)
@given(PAIRS)
def test_the_figures_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    evaluation = Evaluation.of(true, predicted, labels="abcdefgh")

    assert evaluation.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert evaluation.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))
    assert evaluation.micro_f1 == pytest.approx(f1_score(true, predicted, average="micro", zero_division=0))
    expected = precision_recall_fscore_support(true, predicted, labels=list(evaluation.labels), zero_division=0)
    found = [(entry.precision, entry.recall, entry.f1, entry.support) for entry in evaluation.per_class]
    np.testing.assert_allclose(np.array(found).T, np.array(expected))


@given(PAIRS)
def test_the_confusion_counts_every_row_once(pairs: list[tuple[str, str]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    evaluation = Evaluation.of(true, predicted)

    assert np.sum(evaluation.confusion) == len(pairs) == evaluation.rows
    assert [sum(row) for row in evaluation.confusion] == [entry.support for entry in evaluation.per_class]


def test_macro_f1_averages_over_the_classes_that_occur() -> None:
    evaluation = Evaluation.of(["a", "a", "b"], ["a", "c", "b"], labels=["c", "b", "a", "never"])

    assert evaluation.labels == ("c", "b", "a")
    assert evaluation.macro_f1 == pytest.approx((0 + 1 + 2 / 3) / 3)


def test_a_row_without_answer_is_wrong_but_no_prediction() -> None:
    evaluation = Evaluation.of(["a", "a", "b"], ["a", None, "b"])

    assert evaluation.unanswered == 1
    assert evaluation.accuracy == pytest.approx(2 / 3)
    assert [entry.precision for entry in evaluation.per_class] == [1, 1]
    assert evaluation.per_class[0].recall == pytest.approx(0.5)
    assert evaluation.micro_f1 == pytest.approx(4 / 5)


def test_no_rows_give_zeros() -> None:
    evaluation = Evaluation.of([], [])

    assert (evaluation.rows, evaluation.accuracy, evaluation.macro_f1, evaluation.per_class) == (0, 0.0, 0.0, ())


def test_the_json_form_is_plain() -> None:
    document = json.loads(json.dumps(Evaluation.of(["a"], ["b"]).to_json()))

    figures = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1, "calibration_error": None}
    assert document["per_class"][0] == {"label": "a", **figures}
    assert document["confusion"] == [[0, 1], [0, 0]]


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 true and 1 predicted"):
        Evaluation.of(["a", "b"], ["a"])


SETS = st.sets(st.sampled_from(LABELS)).map(lambda chosen: tuple(sorted(chosen)))


@settings(max_examples=40)
@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=40))
def test_the_figures_of_sets_are_those_of_scikit_learn(pairs: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    evaluation = Evaluation.of(true, predicted, labels=LABELS)

    occurring = list(evaluation.labels)
    first, second = (np.array([[label in row for label in LABELS] for row in rows]) for rows in (true, predicted))
    assert set(occurring) == {label for row in (*true, *predicted) for label in row}
    assert evaluation.accuracy == pytest.approx(np.mean([a == b for a, b in pairs]))
    assert evaluation.confusion == ()
    per_label = np.array(precision_recall_fscore_support(first, second, zero_division=0))
    per_label = per_label[:, [label in occurring for label in LABELS]]
    table = [(entry.precision, entry.recall, entry.f1, entry.support) for entry in evaluation.per_class]
    np.testing.assert_allclose(np.array(table).reshape(-1, 4).T, per_label)
    assert evaluation.macro_f1 == pytest.approx(per_label[2].mean() if occurring else 0.0)
    over_all = precision_recall_fscore_support(first, second, average="micro", zero_division=0)[:3]
    assert (evaluation.precision, evaluation.recall, evaluation.micro_f1) == pytest.approx(over_all)


def test_a_span_is_right_where_start_end_and_label_are() -> None:
    true = [(Span(0, 3, "PER"), Span(8, 13, "LOC")), (), (Span(4, 9, "PER"),), (Span(0, 2, "LOC"),)]
    answers = [
        (Span(0, 3, "PER"), Span(8, 12, "LOC")),  # the second ends too early
        (Span(0, 1, "PER"),),  # there is none
        (Span(4, 9, "ORG"),),  # in place, of another label
        None,
    ]

    found = Evaluation.of(true, answers, labels=["LOC", "ORG", "PER"])

    assert (found.rows, found.accuracy, found.unanswered) == (4, 0.0, 1)
    by_label = {entry.label: (entry.precision, entry.recall, entry.f1, entry.support) for entry in found.per_class}
    assert by_label == {"LOC": (0, 0, 0, 2), "ORG": (0, 0, 0, 0), "PER": (0.5, 0.5, 0.5, 2)}
    assert (found.precision, found.recall) == (1 / 4, 1 / 4)
    assert found.micro_f1 == pytest.approx(2 * 1 / (4 + 4))
    assert found.macro_f1 == pytest.approx(0.5 / 3)


def test_the_order_of_spans_and_choices_does_not_matter_to_parts() -> None:
    labels, counts = count_parts([("a", "b")], [("b", "a")])

    assert list(labels) == ["a", "b"]
    assert counts.tolist() == [[[1, 1]]] * 3


def test_parts_are_counted_row_by_row() -> None:
    true = [(Span(0, 1, "A"), Span(2, 3, "A")), (), (Span(0, 1, "B"),)]
    answers = [(Span(0, 1, "A"), Span(4, 5, "A"), Span(2, 3, "B")), (Span(0, 1, "B"),), None]

    labels, (support, named, hits) = count_parts(true, answers, labels=["B", "A", "never"])

    assert list(labels) == ["B", "A"]
    assert support.tolist() == [[0, 2], [0, 0], [1, 0]]
    assert named.tolist() == [[1, 2], [1, 0], [0, 0]]
    assert hits.tolist() == [[0, 1], [0, 0], [0, 0]]


@given(PAIRS)
def test_a_single_choice_has_the_figures_of_sets_of_one(pairs: list[tuple[str, str]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    single = Evaluation.of(true, predicted)
    sets = Evaluation.of([(target,) for target in true], [(target,) for target in predicted])

    assert single.summary() == sets.summary()
    assert single.per_class == sets.per_class


def test_calibration_is_measured_of_answers_their_labels_and_each_label() -> None:
    true: list[Target] = [("a", "b")] * 40
    right = ScoredTarget(("a", "b"), 0.9, {"a": 0.95, "b": 0.8, "c": 0.1})
    wrong = ScoredTarget(("a", "c"), 0.7, {"a": 0.95, "b": 0.4, "c": 0.6})
    answers = [*[right] * 30, *[wrong] * 9, None]
    predicted = [None if answer is None else answer.target for answer in answers]

    found = Evaluation.of(true, predicted).with_calibration(true, answers)

    assert found.calibration is not None
    assert found.part_calibration is not None
    assert found.calibration["rows"] == 39
    assert found.calibration["expected_error"] == pytest.approx((30 * 0.1 + 9 * 0.7) / 39)
    assert found.part_calibration["rows"] == 78
    assert found.part_calibration["expected_error"] == pytest.approx((39 * 0.05 + 30 * 0.2 + 9 * 0.6) / 78)
    errors = {entry.label: entry.calibration_error for entry in found.per_class}
    assert errors == {"a": pytest.approx(0.05), "b": pytest.approx(0.2), "c": None}, "c was answered 9 times alone"
    assert found.summary()["expected_calibration_error"] == found.calibration["expected_error"]


def test_spans_are_calibrated_apart_and_classes_are_not() -> None:
    span, other = Span(0, 4, "name"), Span(5, 9, "name")
    spans: list[Target] = [(span,)] * 30
    answers = [ScoredTarget((span, other), 0.5, {span: 1.0, other: 0.25})] * 30

    of_spans = Evaluation.of(spans, [(span, other)] * 30).with_calibration(spans, answers)
    of_classes = Evaluation.of(["a"] * 30, ["a"] * 30).with_calibration(
        ["a"] * 30, [ScoredTarget("a", 0.9, {"a": 0.9, "b": 0.1})] * 30
    )

    assert of_spans.calibration == {
        "rows": 30,
        "expected_error": 0.5,
        "bins": [{"rows": 30, "confidence": 0.5, "accuracy": 0.0, "low": 0.0, "high": pytest.approx(0.1157, abs=1e-4)}],
    }
    assert of_spans.part_calibration is not None
    assert of_spans.part_calibration["expected_error"] == pytest.approx(0.125)
    assert of_classes.part_calibration is None
    assert Evaluation.of(["a"], [None]).with_calibration(["a"], [None]).calibration is None
