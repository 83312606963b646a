import numpy as np
import pytest

from ml_backend.arrays import Bools, Floats
from ml_backend.measuring.certificates import Certificate, e_values, missing_rows, rows_needed

DELTA = 0.05


def answers(rows: int, *, seed: int = 1) -> tuple[Floats, Bools]:
    """Confidences that are calibrated, .91 on average, and which answers are wrong."""
    random = np.random.default_rng(seed)
    scores = random.beta(4, 0.4, rows)
    return scores, random.random(rows) > scores


@pytest.mark.parametrize(
    ("limit", "errors", "rows"), [(0.02, 0, 149), (0.01, 0, 299), (0.05, 0, 59), (0.02, 1, 236), (0.05, 3, 153)]
)
def test_a_limit_takes_so_many_rows_and_not_one_less(limit: float, errors: int, rows: int) -> None:
    losses = np.arange(rows) < errors

    assert rows_needed(limit, DELTA, errors=errors) == rows
    same = np.ones(rows)
    validation = np.ones(10_000), np.zeros(10_000, dtype=np.bool_)
    assert Certificate.of(validation, (same, losses), limit=limit, delta=DELTA) is not None
    assert Certificate.of(validation, (same[1:], losses[:-1]), limit=limit, delta=DELTA) is None


@pytest.mark.parametrize(("validation_rows", "blind_rows"), [(0, 0), (0, 500), (500, 0), (500, 148)])
def test_nothing_is_certified_on_too_few_rows(validation_rows: int, blind_rows: int) -> None:
    validation, blind = ((np.ones(rows), np.zeros(rows, dtype=np.bool_)) for rows in (validation_rows, blind_rows))

    assert Certificate.of(validation, blind, limit=0.02, delta=DELTA) is None


def test_a_certificate_says_what_it_rests_on() -> None:
    scores, losses = answers(3000, seed=2)

    found = Certificate.of(answers(1000), (scores, losses), limit=0.05, delta=DELTA)

    assert found is not None
    accepted = scores >= found.threshold
    assert found.rows == accepted.sum()
    assert found.share == accepted.mean()
    assert found.loss == losses[accepted].mean() < found.limit == 0.05
    assert 0.2 < found.share < 0.8
    stricter = Certificate.of(answers(1000), (scores, losses), limit=0.02, delta=DELTA)
    assert stricter is not None
    assert stricter.threshold > found.threshold


def test_the_order_of_rows_makes_no_difference() -> None:
    validation, (scores, losses) = answers(1000), answers(2000, seed=2)
    order = np.random.default_rng(3).permutation(2000)

    found = Certificate.of(validation, (scores, losses), limit=0.05, delta=DELTA)

    assert found is not None
    assert Certificate.of(validation, (scores[order], losses[order]), limit=0.05, delta=DELTA) == found


@pytest.mark.parametrize("is_graded", [False, True])
def test_promises_are_broken_as_seldom_as_said(is_graded: bool) -> None:
    """Answers whose true loss is known: that of a confidence c is (1 - c) / 2 where confidences are too low by half."""
    random = np.random.default_rng(4)
    population = random.beta(4, 0.8, 200_000)
    costs = (1 - population) / 2
    broken, given = 0, 0
    for _ in range(300):
        rows = random.integers(len(population), size=1000)
        wrong = random.random(1000) < costs[rows] * (2 if is_graded else 1)
        losses = wrong / 2 if is_graded else wrong
        validation = population[rows[:300]], losses[:300]
        found = Certificate.of(validation, (population[rows[300:]], losses[300:]), limit=0.05, delta=DELTA)
        if found is not None:
            given += 1
            broken += costs[population >= found.threshold].mean() > 0.05
    assert given > 200
    assert broken <= 0.05 * 300


def test_certificates_by_label_hold_for_each_frequent_label() -> None:
    """Answers of `bad` are wrong ten times as often as their confidences say, and the mean hides it."""
    random = np.random.default_rng(8)

    def labeled(rows: int) -> tuple[tuple[Floats, Bools], list[str]]:
        scores, losses = answers(rows, seed=int(random.integers(1000)))
        labels = random.choice(["good", "bad", "rare"], rows, p=[0.7, 0.25, 0.05]).tolist()
        is_bad = np.array([label == "bad" for label in labels])
        return (scores, losses | (is_bad & (random.random(rows) < 10 * (1 - scores)))), labels

    (validation, chosen_labels), (blind, labels) = labeled(2000), labeled(4000)
    by_label = Certificate.by_label(validation, blind, (chosen_labels, [*labels[:-1], "new"]), limit=0.03, delta=DELTA)

    pooled = Certificate.of(validation, blind, limit=0.03, delta=DELTA)
    assert pooled is not None
    bad = np.array([label == "bad" for label in labels]) & (blind[0] >= pooled.threshold)
    assert blind[1][bad].mean() > 0.04, "so the mean of all labels hides it"
    assert by_label["good"].threshold < pooled.threshold < by_label["bad"].threshold
    assert by_label.get("rare") == by_label.get("new"), "too few rows for each"
    assert by_label["good"].delta == pytest.approx(DELTA / 3)
    assert Certificate.by_label(validation, blind, (["a"] * 2000, ["a"] * 4000), limit=0.03, delta=DELTA) == {
        "a": pooled
    }


def test_losses_between_0_and_1_certify_more_than_when_each_counts_as_a_whole() -> None:
    validation, (scores, losses) = answers(1000), answers(2000, seed=2)

    whole = Certificate.of(validation, (scores, losses), limit=0.05, delta=DELTA)
    graded = Certificate.of(validation, (scores, losses / 4), limit=0.05, delta=DELTA)

    assert whole is not None
    assert graded is not None
    assert graded.share > whole.share


def test_the_forecast_is_of_what_is_certified_four_times_in_five() -> None:
    successes, shares, forecasts = [], [], []
    for seed in range(30):
        validation = answers(1000, seed=seed)
        forecast = missing_rows(validation, rows=100, limit=0.02, delta=DELTA)
        assert forecast is not None
        missing, share = forecast
        found = Certificate.of(validation, answers(100 + missing, seed=100 + seed), limit=0.02, delta=DELTA)
        successes.append(found is not None)
        shares += [] if found is None else [found.share]
        forecasts.append(share)
    assert np.mean(successes) >= 0.7
    assert np.mean(shares) >= np.mean(forecasts), "the walk down can only cover more"


def test_enough_rows_are_forecast_to_cover_the_most_that_is_likely() -> None:
    validation = answers(2000)

    forecast = missing_rows(validation, rows=5000, limit=0.05, delta=DELTA)

    assert forecast is not None
    found = Certificate.of(validation, answers(5000, seed=2), limit=0.05, delta=DELTA)
    assert found is not None
    assert forecast[0] == 0
    assert forecast[1] == pytest.approx(found.share, abs=0.06)


@pytest.mark.parametrize("rows", [0, 400])
def test_there_is_no_forecast_where_no_answer_is_right_often_enough(rows: int) -> None:
    random = np.random.default_rng(7)

    assert missing_rows((random.random(rows), random.random(rows) < 0.5), rows=1000, limit=0.05, delta=DELTA) is None


def test_the_monitor_revokes_without_cause_as_seldom_as_said() -> None:
    random = np.random.default_rng(5)

    runs = [e_values(random.random(1000) < 0.02, 0.02).max() >= 1 / DELTA for _ in range(400)]

    assert np.mean(runs) <= DELTA


@pytest.mark.parametrize("before", [0, 300])
def test_the_monitor_sees_a_shift_soon(before: int) -> None:
    random = np.random.default_rng(6)

    delays = []
    for _ in range(100):
        losses = np.concatenate([random.random(before) < 0.01, random.random(2000) < 0.1])
        delays.append(np.flatnonzero(e_values(losses, 0.02) >= 1 / DELTA)[0] + 1 - before)

    assert np.mean(delays) < (120 if before else 80)


def test_evidence_is_that_of_the_bets() -> None:
    (first,) = e_values(np.array([True]), 0.02)

    # Of the capital 1/26 is bet on the first answer, by bets that win (1 - limit) / limit times their size.
    bets = np.array([0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
    assert first == pytest.approx((1 + (bets * 49).mean()) / 26 + 25 / 26)
    assert e_values(np.zeros(0), 0.02).shape == (0,)
    assert e_values(np.full(50, 0.02), 0.02) == pytest.approx(np.ones(50)), "what is promised proves nothing"
