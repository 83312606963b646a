from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.example import Span, Target
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.measuring.measures.base import Measure, PairedStatistics

SETS = st.sets(st.sampled_from("abcd")).map(lambda chosen: tuple(sorted(chosen)))
SPANS = st.lists(
    st.builds(Span, st.integers(0, 3), st.integers(4, 6), st.sampled_from("AB")), max_size=3, unique=True
).map(lambda spans: tuple(sorted(spans)))


def pair(
    head: str,
    true: Sequence[Target | None],
    champion: Sequence[Target | None],
    challenger: Sequence[Target | None] | None = None,
) -> PairedStatistics:
    return Measure.of(head).compare(true, champion, champion if challenger is None else challenger)


@pytest.mark.parametrize(
    ("head", "metric"),
    [
        ("softmax", "macro-F1"),
        ("sigmoid", "macro-F1"),
        ("tags", "strict F1"),
        ("ordinal", "quadratic kappa"),
        ("number", "concordance"),
    ],
)
def test_every_kind_has_its_figure(head: str, metric: str) -> None:
    assert pair(head, [], []).metric == metric


@given(st.lists(st.tuples(SETS, st.none() | SETS), min_size=1, max_size=20))
def test_sets_are_scored_by_the_mean_f1_of_the_labels_that_occur_in_truth(
    pairs: list[tuple[tuple[str, ...], tuple[str, ...] | None]],
) -> None:
    true, answers = zip(*pairs, strict=True)

    found, best = pair("sigmoid", true, answers, true).scores

    occurring = {label for target in true for label in target}
    f1 = {entry.label: entry.f1 for entry in Evaluation.of(true, answers).per_class if entry.label in occurring}
    assert found == pytest.approx(np.mean(list(f1.values())) if f1 else 0.0)
    assert best == (1.0 if occurring else 0.0)


@given(st.lists(st.tuples(SPANS, st.none() | SPANS), min_size=1, max_size=20))
def test_spans_are_scored_by_f1_over_all_of_them(
    pairs: list[tuple[tuple[Span, ...], tuple[Span, ...] | None]],
) -> None:
    true, answers = zip(*pairs, strict=True)

    found = pair("tags", true, answers).scores[0]

    hits = sum(len(set(target) & set(answer or ())) for target, answer in pairs)
    parts = sum(len(target) + len(answer or ()) for target, answer in pairs)
    assert found == pytest.approx(2 * hits / parts if parts else 0.0)
    assert found == pytest.approx(Evaluation.of(true, answers).micro_f1)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=30))
def test_levels_are_scored_by_quadratic_kappa(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    true, answers = zip(*pairs, strict=True)
    evaluation = Measure.of("ordinal").evaluate(true, answers, ("1", "2", "3", "4", "5"))

    found, best = pair("ordinal", true, answers, true).scores

    is_varied = len({*true, *answers}) > 1
    expected = cohen_kappa_score(true, answers, labels=[1, 2, 3, 4, 5], weights="quadratic") if is_varied else 0.0
    assert found == pytest.approx(expected, abs=1e-9)
    assert best == (1.0 if len(set(true)) > 1 else 0.0)
    summary = evaluation.summary()
    assert summary["agreement"] == pytest.approx(expected, abs=1e-9)
    assert summary["mean_absolute_error"] == pytest.approx(np.mean(np.abs(np.subtract(true, answers))))
    assert summary["accuracy"] == np.mean(np.equal(true, answers))
    assert summary["macro_f1"] == Evaluation.of(true, answers).macro_f1


def test_numbers_are_scored_beside_the_median_and_no_answer_earns_nothing() -> None:
    measure = Measure.of("number")
    true = [1.0, 2.5, 4.0, 100.0]

    evaluation = measure.evaluate(true, [1.5, 2.5, None, 90.0])

    assert evaluation.summary() == {
        "rows": 4.0,
        "accuracy": 0.25,
        "mean_absolute_error": pytest.approx((0.5 + 0 + (107.5 / 4 - 4) + 10) / 4),
        "median_error": pytest.approx((2.25 + 0.75 + 0.75 + 96.75) / 4),
        "agreement": pytest.approx(0.9495, abs=1e-3),
    }
    assert evaluation.unanswered == 1
    assert measure.evaluate(true, [None] * 4).agreement == 0.0
    assert measure.row_scores([*true, None], [1.5, 2.5, None, 90.0, 3.0]) == pytest.approx(
        [1 - 0.5 / 99, 1, 0, 1 - 10 / 99, np.nan], nan_ok=True
    )


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "tags", "ordinal", "number"])
def test_rows_that_do_not_answer_the_control_count_nothing(head: str) -> None:
    answers: dict[str, tuple[Target, Target]] = {
        "softmax": ("a", "b"),
        "sigmoid": (("a",), ("a", "b")),
        "tags": ((Span(0, 1, "a"),), (Span(0, 2, "a"),)),
        "ordinal": (4, 5),
        "number": (0.5, 70),
    }
    right, wrong = answers[head]

    with_gap = pair(head, [right, None, right], [right, wrong, wrong])
    without = pair(head, [right, right], [right, wrong])

    assert with_gap.scores == without.scores
    assert with_gap.statistics.shape[1] == 3
    assert not with_gap.statistics[:, 1].any()


def test_statistics_of_rows_add_up_to_those_of_all() -> None:
    true = [("a", "b"), ("a",), ()]
    answers = [("a",), ("a", "b"), ("b",)]

    found = pair("sigmoid", true, answers)

    alone = [pair("sigmoid", true[:n], answers[:n]) for n in (1, 2, 3)]
    for n, part in enumerate(alone, start=1):
        assert found.value(found.statistics[:, :n].sum(axis=1)).tolist() == pytest.approx(list(part.scores))


def test_rows_of_a_single_choice_are_resampled_within_their_class_and_thin_classes_together() -> None:
    true = ["a"] * 10 + ["b"] * 12 + ["c"] * 9 + ["d"] + [None]

    found = pair("softmax", true, true)

    assert found.strata is not None
    strata = found.strata.tolist()
    assert [len(set(strata[i:j])) for i, j in ((0, 10), (10, 22), (22, 32))] == [1, 1, 1]
    assert len(set(strata)) == 4
    assert strata[10] != strata[0] != strata[22]
    (sentence,) = found.thin
    assert sentence.startswith("2 classes with under 10 test rows (c 9, d 1): their F1 is uncertain")


@pytest.mark.parametrize("head", ["sigmoid", "tags"])
def test_rows_of_sets_and_spans_are_resampled_all_together(head: str) -> None:
    found = pair(head, [(), ()], [(), ()])

    assert found.strata is None
    assert found.thin == ()


def test_a_resample_without_a_label_leaves_it_out_of_its_average() -> None:
    found = pair("sigmoid", [("a",), ("b",)], [("a",), ()])

    assert found.scores == (0.5, 0.5)
    assert found.value(found.statistics[:, 0]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("head", "true", "answers", "scores"),
    [
        ("softmax", ["a", "a", "b", None], ["a", "b", None, "a"], [1, 0, 0, np.nan]),
        ("sigmoid", [("a",), ("a",), (), None], [("a",), ("a", "b"), (), ("a",)], [1, 0, 1, np.nan]),
        (
            "tags",
            [(Span(0, 1, "A"), Span(2, 3, "A")), (), (), (Span(0, 1, "A"),), None],
            [(Span(0, 1, "A"),), (), (Span(0, 1, "A"),), None, ()],
            [2 / 3, 1, 0, 0, np.nan],
        ),
        ("text", ["one two", "one two", None], ["one two", None, "one"], [1, 0, np.nan]),
    ],
)
def test_each_row_has_a_score_of_its_answer_alone(
    head: str, true: list[Target | None], answers: list[Target | None], scores: list[float]
) -> None:
    both = pair(head, true, answers).row_scores

    np.testing.assert_allclose(both, [scores, scores])
