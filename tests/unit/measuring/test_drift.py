import numpy as np
import pytest
from scipy.stats import binom, kstest

from ml_backend.arrays import Floats
from ml_backend.measuring.drift import LEVEL, TESTS, Change, of_errors, of_labels, of_texts, p_values

RUNS = 400
LABELS = np.array(list("abcdefgh"))
USUAL, OTHER = (
    np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05]),
    np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3]),
)


def are_seldom(alarms: list[bool]) -> bool:
    """Not surely more than the level of one of the three tests."""
    return int(np.sum(alarms)) <= int(binom.ppf(0.999, len(alarms), LEVEL / TESTS))


def strangeness(random: np.random.Generator, count: int, share: float = 0.0) -> Floats:
    """P-values of texts on a coarse scale, as few held-out rows give it, turned round; a share of them strange."""
    usual = np.ceil(random.random(count) * 50) / 50
    return -np.where(random.random(count) < share, np.ceil(random.random(count) ** 4 * 50) / 50, usual)


def test_p_values_are_ranks_among_all_before_and_ties_are_broken_evenly() -> None:
    p = p_values(np.array([1.0, 2.0, 2.0]), np.array([2.0, 0.0, 3.0]), np.array([0.5, 0.5, 1.0]))

    assert p == pytest.approx([(0 + 0.5 * 3) / 4, (4 + 0.5) / 5, 1 / 6])


def test_p_values_of_texts_like_those_before_are_uniform_and_independent() -> None:
    random = np.random.default_rng(1)

    first = [p_values(strangeness(random, 20), strangeness(random, 2), random.random(2)) for _ in range(3000)]

    one, two = np.array(first).T
    assert kstest(one, "uniform").pvalue > 0.001
    assert kstest(two, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.06


def test_p_values_do_not_depend_on_how_many_are_computed_together() -> None:
    random = np.random.default_rng(2)
    reference, stream, draws = strangeness(random, 40), strangeness(random, 1300), random.random(1300)

    assert p_values(reference, stream, draws)[:700] == pytest.approx(p_values(reference, stream[:700], draws[:700]))


@pytest.mark.parametrize("rows", [0, 20, 200])
def test_texts_like_those_before_raise_an_alarm_as_seldom_as_said(rows: int) -> None:
    random = np.random.default_rng(3)

    alarms = [
        of_texts(strangeness(random, rows), strangeness(random, 500), random.random(500)) is not None
        for _ in range(RUNS)
    ]

    assert are_seldom(alarms)


@pytest.mark.parametrize("rows", [20, 200])
def test_unchanged_labels_raise_an_alarm_as_seldom_as_said(rows: int) -> None:
    random = np.random.default_rng(4)

    def change() -> Change | None:
        reference, later = (random.choice(LABELS, count, p=USUAL).tolist() for count in (rows, 300))
        return of_labels(reference, later, random.random(300))

    alarms = [change() is not None for _ in range(RUNS)]

    assert are_seldom(alarms)


@pytest.mark.parametrize("later", [0.1, 0.02])
def test_no_more_errors_raise_an_alarm_as_seldom_as_said(later: float) -> None:
    random = np.random.default_rng(5)

    alarms = [of_errors(random.random(60) < 0.1, random.random(500) < later) is not None for _ in range(RUNS)]

    assert are_seldom(alarms)


def test_strange_texts_that_begin_late_raise_an_alarm_that_says_when() -> None:
    random = np.random.default_rng(6)

    for _ in range(20):
        stream = np.concatenate([strangeness(random, 600), strangeness(random, 600, share=0.3)])
        change = of_texts(strangeness(random, 200), stream, random.random(1200))
        assert change is not None
        assert 600 <= change.alarm < 900
        assert abs(change.start - 600) < 150


def test_texts_that_are_less_strange_raise_none() -> None:
    random = np.random.default_rng(7)

    change = of_texts(strangeness(random, 200), strangeness(random, 800) / 2 - 0.5, random.random(800))

    assert change is None


def test_other_shares_of_labels_raise_an_alarm() -> None:
    random = np.random.default_rng(8)

    for before, most in ((0, 250), (400, 200)):
        labels = [*random.choice(LABELS, before, p=USUAL), *random.choice(LABELS, 600, p=OTHER)]
        change = of_labels(random.choice(LABELS, 300, p=USUAL).tolist(), labels, random.random(len(labels)))
        assert change is not None
        assert before < change.alarm < before + most


def test_more_errors_raise_an_alarm() -> None:
    random = np.random.default_rng(9)

    change = of_errors(random.random(300) < 0.1, np.concatenate([random.random(100) < 0.1, random.random(400) < 0.4]))

    assert change is not None
    assert 100 < change.alarm < 200
    assert change.start < change.alarm


def test_nothing_seen_is_no_change() -> None:
    nothing = np.zeros(0)

    assert of_texts(np.ones(5), nothing, nothing) is None
    assert of_labels(["a"], [], nothing) is None
    assert of_errors(np.array([True]), np.zeros(0, dtype=np.bool_)) is None


def test_evidence_beyond_all_bounds_does_no_harm() -> None:
    assert of_errors(np.zeros(100, dtype=np.bool_), np.ones(3000, dtype=np.bool_)) is not None
