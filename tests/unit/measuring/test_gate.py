from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import GateDecision
from ml_backend.errors import TrainingError
from ml_backend.measuring.error_budget import ErrorBudget
from ml_backend.measuring.gate import bootstrap_differences, decide
from ml_backend.measuring.measures.base import Measure, PairedStatistics
from ml_backend.measuring.slices import compare_slices


def gate(
    true: Sequence[str], first: Sequence[str | None], second: Sequence[str | None], **options: object
) -> GateDecision:
    return decided({"category": contest_of(true, first, second)}, **options)


def decided(pairs: Mapping[str, PairedStatistics], **options: object) -> GateDecision:
    """The decision of a project's first gate."""
    rows = next(iter(pairs.values())).statistics.shape[1]
    wanted = {"champion": "v1", "challenger": "v2", "keys": range(rows), "budget": ErrorBudget()} | options
    decision, _ = decide(pairs, **wanted)
    return decision


def contest_of(
    true: Sequence[Target | None],
    first: Sequence[Target | None],
    second: Sequence[Target | None],
    head: str = "softmax",
) -> PairedStatistics:
    # The names of an array are not Python's own.
    plain = [each.tolist() if isinstance(each, np.ndarray) else each for each in (true, first, second)]
    return Measure.of(head).compare(*plain)


def answers(true: np.ndarray, accuracy: float, rng: np.random.Generator) -> list[str]:
    """Right with the given probability, else any class at random."""
    wrong = rng.choice(np.unique(true), size=len(true))
    return list(np.where(rng.random(len(true)) < accuracy, true, wrong))


ANSWERS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "d", None])), min_size=1, max_size=250
)


@settings(max_examples=40, deadline=None)
@given(ANSWERS)
def test_identical_answers_never_promote(pairs: list[tuple[str, str | None]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    decision = gate(true, predicted, predicted)

    assert not decision.promote
    assert decision.difference == 0


@settings(max_examples=25, deadline=None)
@given(ANSWERS)
def test_the_scores_average_over_the_true_classes_for_both(pairs: list[tuple[str, str | None]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    named = ["none" if answer is None else answer for answer in predicted]

    decision = gate(true, predicted, true)

    expected = f1_score(true, named, labels=sorted(set(true)), average="macro", zero_division=0)
    assert decision.champion_score == pytest.approx(expected)
    assert decision.challenger_score == 1


@pytest.mark.parametrize("rows_per_class", [[100, 100], [30] * 10, [2] * 60, [150, 30, 5, 5, 2, 2, 2, 1, 1, 1]])
def test_equal_models_pass_by_luck_in_about_5_of_100_cases(rows_per_class: list[int], is_long: bool) -> None:
    rng = np.random.default_rng(12)
    true = list(np.repeat([f"c{k}" for k in range(len(rows_per_class))], rows_per_class))
    promoted = [
        gate(true, answers(true, 0.8, rng), answers(true, 0.8, rng), seed=k).promote
        for k in range(300 if is_long else 60)
    ]

    assert np.mean(promoted) < 0.09


def test_a_clearly_better_model_passes() -> None:
    rng = np.random.default_rng(4)
    true = np.repeat([f"c{k}" for k in range(10)], 30)
    promoted = [gate(true, answers(true, 0.7, rng), answers(true, 0.85, rng), seed=k).promote for k in range(60)]

    assert np.mean(promoted) > 0.9


def test_the_decision_follows_the_seed_and_not_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(6)
    true = np.repeat(["a", "b"], 80)
    first, second = np.array(answers(true, 0.7, rng)), np.array(answers(true, 0.75, rng))
    shuffled = rng.permutation(160)

    decision = gate(true, first, second, seed=9)

    assert decision == gate(true[shuffled], first[shuffled], second[shuffled], seed=9)
    assert decision.lower_bound != gate(true, first, second, seed=10).lower_bound


def test_few_rows_are_decided_by_point_estimate_and_provisionally() -> None:
    true = ["a", "b"] * 10

    decision = gate(true, ["a"] * 20, true)

    assert (decision.promote, decision.is_provisional, decision.lower_bound) == (True, True, None)
    assert "under 100 rows the difference of +0.667 decides provisionally: v2 is promoted" in decision.reason


def test_enough_rows_are_decided_by_the_interval() -> None:
    true = ["a", "b"] * 50
    one_better = ["b", *true[1:]]

    decision = gate(true, one_better, true)

    assert decision.difference > 0
    assert (decision.promote, decision.is_provisional, decision.lower_bound) == (False, False, 0)
    assert decision.reason.endswith("is at least +0.000 with 96.8% confidence: v1 stays")


def test_without_test_rows_nothing_is_promoted() -> None:
    decision = gate([], [], [])

    assert not decision.promote
    assert decision.reason == "no test rows, so v2 cannot be compared with v1, which stays"


def test_a_prediction_outside_the_true_classes_adds_no_class() -> None:
    true = ["a"] * 60 + ["b"] * 60

    decision = gate(true, ["z", *true[1:]], [None, *true[1:]])

    assert decision.champion_score == decision.challenger_score


def test_a_project_may_ask_that_a_version_is_no_worse() -> None:
    true = ["a", "b"] * 200
    one_worse = ["b", *true[1:]]

    better, no_worse = gate(true, true, one_worse), gate(true, true, one_worse, margin=0.02)

    assert (better.promote, no_worse.promote, no_worse.margin) == (False, True, 0.02)
    assert no_worse.reason.endswith("v2 is promoted (it may be worse by less than 0.020)")
    assert not gate(true, true, ["b"] * 20 + true[20:], margin=0.02).promote


def test_a_gate_that_keeps_the_champion_spends_and_one_that_promotes_does_not() -> None:
    true, budget = ["a", "b"] * 100, ErrorBudget()
    mixed, better = ["b", *true[1:]], ["a"] * 20 + true[20:]
    contests = {"kept": (mixed, ["a", "a", *true[2:]]), "promoted": (better, true), "same": (true, true)}

    outcomes = {
        name: decide({"it": contest_of(true, *answers)}, champion="v1", challenger="v2", keys=range(200), budget=budget)
        for name, answers in contests.items()
    }

    assert {name: (decision.promote, evidence is not None) for name, (decision, evidence) in outcomes.items()} == {
        "kept": (False, True),
        "promoted": (True, False),
        "same": (False, False),
    }
    assert {name: decision.spending for name, (decision, _) in outcomes.items()} == {
        "kept": "0.0325 of 0.05",
        "promoted": "0.0000 of 0.05",
        "same": "0.0000 of 0.05",
    }


def test_thin_classes_and_labels_of_unknown_origin_are_warned_about_and_block_nothing() -> None:
    true = ["a"] * 100 + ["b"] * 3

    decision = gate(true, ["b"] * 103, true, unknown_origin_rows=40)

    assert decision.promote
    assert "1 class with under 10 test rows (b 3)" in decision.warnings[0]
    assert "40 of 103 test rows were not seen being made" in decision.warnings[1]


def test_contests_about_other_rows_are_refused() -> None:
    pairs = {"topic": contest_of(["a"], ["a"], ["a"]), "mood": contest_of(["a", "b"], ["a", "b"], ["a", "b"])}

    with pytest.raises(TrainingError, match=r"different numbers of test rows found \(\{'topic': 1, 'mood': 2\}\)"):
        decided(pairs)


def true_sets(rows: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    chosen = rng.random((rows, 3)) < [0.5, 0.3, 0.1]
    return [tuple(name for name, is_chosen in zip("xyz", line, strict=True) if is_chosen) for line in chosen.tolist()]


def like_sets(true: Sequence[tuple[str, ...]], accuracy: float, rng: np.random.Generator) -> list[Target]:
    """Answers in which each label is right with the given probability."""
    right = (rng.random((len(true), 3)) < accuracy).tolist()
    return [
        tuple(name for name, is_right in zip("xyz", line, strict=True) if (name in target) == is_right)
        for target, line in zip(true, right, strict=True)
    ]


def true_spans(rows: int, rng: np.random.Generator) -> list[tuple[Span, ...]]:
    labels, counts = rng.choice(["P", "Q"], size=(rows, 3)).tolist(), rng.integers(0, 4, size=rows).tolist()
    return [
        tuple(Span(10 * n, 10 * n + 5, label) for n, label in enumerate(line[:count]))
        for line, count in zip(labels, counts, strict=True)
    ]


def like_spans(true: Sequence[tuple[Span, ...]], accuracy: float, rng: np.random.Generator) -> list[Target]:
    """Answers that end right with the given probability."""
    short = (rng.random((len(true), 3)) > accuracy).tolist()
    return [
        tuple(Span(span.start, span.end - is_short, span.label) for span, is_short in zip(target, line, strict=False))
        for target, line in zip(true, short, strict=True)
    ]


def several(rows: int, rng: np.random.Generator) -> dict[str, PairedStatistics]:
    """Contests of three controls of different kinds on the same rows; some rows do not answer the first."""
    topics = np.repeat(["a", "b", "c"], rows // 3)
    first, second = answers(topics, 0.7, rng), answers(topics, 0.75, rng)
    shown = [None if n % 7 == 0 else str(topic) for n, topic in enumerate(topics)]
    tags, marks = true_sets(rows, rng), true_spans(rows, rng)
    few_right = like_sets(tags, 0.8, rng)
    more_right = [given if rng.random() < 0.3 else answer for given, answer in zip(tags, few_right, strict=True)]
    return {
        "topic": contest_of(shown, first, second),
        "tags": contest_of(tags, few_right, more_right, "sigmoid"),
        "marks": contest_of(marks, like_spans(marks, 0.6, rng), like_spans(marks, 0.6, rng), "tags"),
    }


def test_several_controls_are_decided_by_the_mean_of_their_figures() -> None:
    pairs = several(120, np.random.default_rng(7))

    decision = decided(pairs)

    scores = np.array([pair.scores for pair in pairs.values()])
    assert decision.metric == "mean of macro-F1 of topic, macro-F1 of tags, strict F1 of marks"
    assert (decision.champion_score, decision.challenger_score) == pytest.approx(tuple(scores.mean(axis=0)))
    assert decision.difference == pytest.approx(scores[:, 1].mean() - scores[:, 0].mean())
    for name, (first, second) in zip(pairs, scores, strict=True):
        assert f"{name} {second:.3f} against {first:.3f}" in decision.reason


def test_one_control_is_named_by_its_figure_alone() -> None:
    rng = np.random.default_rng(8)
    true = true_spans(120, rng)

    decision = decided({"marks": contest_of(true, like_spans(true, 0.5, rng), true, "tags")})

    assert decision.metric == "strict F1"
    assert decision.challenger_score == 1.0
    assert decision.reason.startswith(f"v2 has strict F1 1.000, v1 {decision.champion_score:.3f} on 120 test rows; ")


@pytest.mark.parametrize("which", [["topic"], ["tags"], ["marks"], ["topic", "tags", "marks"]])
def test_the_drawn_counts_equal_resampled_rows_for_every_kind_and_for_several(which: list[str]) -> None:
    rng = np.random.default_rng(9)
    every = several(120, rng)
    pairs = [every[name] for name in which]
    strata = pairs[0].strata if len(pairs) == 1 else None
    strata = np.zeros(120, dtype=np.int64) if strata is None else strata
    by_rows = []
    for _ in range(1000):
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(strata == k), size=(strata == k).sum()) for k in np.unique(strata)]
        )
        scores = [pair.value(pair.statistics[:, rows].sum(axis=1)) for pair in pairs]
        champion, challenger = np.mean(scores, axis=0)
        by_rows.append(challenger - champion)

    by_counts = bootstrap_differences(pairs, seed=1, resamples=5000)

    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    spread = np.std(by_rows)
    assert spread > 0.01
    np.testing.assert_allclose(np.quantile(by_counts, levels), np.quantile(by_rows, levels), atol=0.2 * spread)


@pytest.mark.parametrize(
    ("head", "make", "answer"), [("sigmoid", true_sets, like_sets), ("tags", true_spans, like_spans)]
)
def test_equal_taggers_pass_by_luck_in_about_5_of_100_cases(head: str, make: Callable, answer: Callable) -> None:
    rng = np.random.default_rng(10)
    promoted = []
    for k in range(150):
        true = make(150, rng)
        pairs = {"it": contest_of(true, answer(true, 0.8, rng), answer(true, 0.8, rng), head)}
        promoted.append(decided(pairs, seed=k).promote)

    assert np.mean(promoted) < 0.1


def test_a_better_part_does_not_pass_where_another_loses_as_much() -> None:
    true = ["a", "b"] * 75
    half = ["a", "a"] * 75
    pairs = {"won": contest_of(true, half, true), "lost": contest_of(true, true, half)}

    decision = decided(pairs)

    assert decision.difference == pytest.approx(0.0)
    assert not decision.promote


def test_a_control_that_no_row_answers_leaves_the_mean_a_number() -> None:
    nothing = [None, None]
    pairs = {
        "topic": contest_of(["a", "b"], ["a", "a"], ["a", "b"]),
        "mood": contest_of(nothing, nothing, nothing),
    }

    decision = decided(pairs)

    assert (decision.challenger_score, decision.rows) == (0.5, 2)


@pytest.mark.parametrize(
    ("won", "margin", "overall"),
    [(22, 0.0, "gains 10.3 points of macro-F1"), (5, 0.5, "is not worse than it may be")],
)
def test_a_slice_on_which_the_challenger_is_surely_worse_keeps_it_out_of_small_gates_too(
    won: int, margin: float, overall: str
) -> None:
    true = ["a"] * 40 + ["b"] * 40
    first, second = [*true[:40], *["a"] * won, *true[40 + won :]], [*["b"] * 15, *true[15:]]
    pair = contest_of(true, first, second)
    slices = compare_slices({"topic": pair.row_scores}, {"topic": {"class: a": np.arange(80) < 40}})

    decision = decided({"topic": pair}, slices=slices, margin=margin)

    assert (decision.is_provisional, decision.promote) == (True, False)
    assert decision.reason == f"kept v1: v2 {overall} overall but loses 37.5 on `class: a` (40 test rows)"
    assert decision.warnings[-1] == "v2 is surely worse on `class: a` (40 test rows): -37.5 points"
    assert decision.mcnemar_p == pytest.approx(binomtest(15, 15 + won).pvalue)
