import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from ml_backend.errors import TrainingError
from ml_backend.training.evaluate import evaluate

PAIRS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcdef")), min_size=1, max_size=60)


@given(PAIRS)
def test_the_figures_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    evaluation = evaluate(true, predicted, labels="abcdefgh")

    assert evaluation.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert evaluation.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))
    assert evaluation.micro_f1 == pytest.approx(f1_score(true, predicted, average="micro", zero_division=0))
    expected = precision_recall_fscore_support(true, predicted, labels=list(evaluation.labels), zero_division=0)
    found = [(entry.precision, entry.recall, entry.f1, entry.support) for entry in evaluation.per_class]
    np.testing.assert_allclose(np.array(found).T, np.array(expected))


@given(PAIRS)
def test_the_confusion_counts_every_row_once(pairs: list[tuple[str, str]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    evaluation = evaluate(true, predicted)

    assert np.sum(evaluation.confusion) == len(pairs) == evaluation.rows
    assert [sum(row) for row in evaluation.confusion] == [entry.support for entry in evaluation.per_class]


def test_macro_f1_averages_over_the_classes_that_occur() -> None:
    evaluation = evaluate(["a", "a", "b"], ["a", "c", "b"], labels=["c", "b", "a", "never"])

    assert evaluation.labels == ("c", "b", "a")
    assert evaluation.macro_f1 == pytest.approx((0 + 1 + 2 / 3) / 3)


def test_a_row_without_answer_is_wrong_but_no_prediction() -> None:
    evaluation = evaluate(["a", "a", "b"], ["a", None, "b"])

    assert evaluation.unanswered == 1
    assert evaluation.accuracy == pytest.approx(2 / 3)
    assert [entry.precision for entry in evaluation.per_class] == [1, 1]
    assert evaluation.per_class[0].recall == pytest.approx(0.5)
    assert evaluation.micro_f1 == pytest.approx(4 / 5)


def test_no_rows_give_zeros() -> None:
    evaluation = evaluate([], [])

    assert (evaluation.rows, evaluation.accuracy, evaluation.macro_f1, evaluation.per_class) == (0, 0.0, 0.0, ())


def test_the_json_form_is_plain() -> None:
    document = json.loads(json.dumps(evaluate(["a"], ["b"]).to_json()))

    assert document["per_class"][0] == {"label": "a", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert document["confusion"] == [[0, 1], [0, 0]]


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 true and 1 predicted"):
        evaluate(["a", "b"], ["a"])
