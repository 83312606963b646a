import numpy as np
import pytest

from ml_backend.arrays import Floats2d, Ints
from ml_backend.measuring.novelty import Novelty, gaps_between

RNG = np.random.default_rng(1)
WIDTH = 32
CENTRES = RNG.normal(size=(8, WIDTH))


def texts(labels: Ints, *, spread: float = 0.5) -> Floats2d:
    """Vectors of length 1 around their label's centre, some directions varying more than others."""
    vectors = CENTRES[labels] + RNG.normal(size=(len(labels), WIDTH)) * np.geomspace(2, 0.5, WIDTH) * spread
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def seen(vectors: Floats2d, logits: float = 1.0) -> Floats2d:
    """The vectors and about the same greatest logit for all of them."""
    return np.column_stack([vectors, RNG.normal(logits, 1.0, len(vectors))]).astype(np.float32)


def novelty_of(rows: Floats2d, codes: Ints, held_out: Floats2d) -> Novelty:
    """Return the score of texts beside these rows."""
    return Novelty(rows, codes, gaps_between(rows), held_out)


@pytest.fixture(scope="module")
def novelty() -> Novelty:
    codes = np.repeat(np.arange(6), 40)
    return novelty_of(texts(codes), codes, seen(texts(np.repeat(np.arange(6), 20))))


def test_texts_of_other_labels_score_higher(novelty: Novelty) -> None:
    known, other = (novelty.scores(seen(texts(np.repeat(labels, 50)))) for labels in (np.arange(6), np.arange(6, 8)))

    assert known.mean() == pytest.approx(0.0, abs=0.3)
    assert (other[:, None] > known).mean() > 0.95, "the chance that one of them scores higher"


def test_a_text_scores_the_same_alone_and_among_others(novelty: Novelty) -> None:
    some = seen(texts(np.arange(600) % 8))

    np.testing.assert_allclose(novelty.scores(some)[-3:], novelty.scores(some[-3:]), rtol=1e-4, atol=1e-4)
    assert novelty.scores(some[:0]).shape == (0,)


def test_neither_the_order_of_rows_nor_the_numbers_of_labels_matter() -> None:
    codes = np.repeat(np.arange(6), 10)
    rows, held_out, some = texts(codes), seen(texts(codes)), seen(texts(codes))
    order = RNG.permutation(60)

    scores = novelty_of(rows, codes, held_out).scores(some)

    again = novelty_of(rows[order], 7 * codes[order] + 3, held_out[order]).scores(some)
    np.testing.assert_allclose(scores, again, rtol=1e-3, atol=1e-3)


def test_a_gap_is_the_mean_distance_to_the_ten_nearest_other_rows() -> None:
    rows = texts(np.arange(600) % 8)

    gaps = gaps_between(rows)

    distances = np.sort(1 - rows @ rows.T, axis=1)[:, 1:11]
    np.testing.assert_allclose(gaps, distances.mean(axis=1), atol=1e-5)
    assert gaps_between(rows[:2]) == pytest.approx(1 - rows[0] @ rows[1], abs=1e-5)


def test_a_text_beside_a_dense_label_scores_higher_than_one_as_far_from_a_wide_one() -> None:
    dense, wide = texts(np.repeat(0, 60), spread=0.1), texts(np.repeat(1, 60), spread=0.6)
    held_out = np.concatenate([texts(np.repeat(0, 30), spread=0.1), texts(np.repeat(1, 30), spread=0.6)])
    novelty = novelty_of(np.concatenate([dense, wide]), np.repeat([0, 1], 60), seen(held_out))

    beside_dense, beside_wide = (novelty.scores(seen(texts(np.repeat(k, 50), spread=0.6))) for k in (0, 1))

    assert beside_dense.mean() > beside_wide.mean() + 1


def test_fewer_rows_than_dimensions_still_tell_something() -> None:
    codes = np.repeat(np.arange(6), 4)

    novelty = novelty_of(texts(codes), codes, seen(texts(codes)))

    known, other = (novelty.scores(seen(texts(np.repeat(labels, 50)))) for labels in (np.arange(6), np.arange(6, 8)))
    assert (other[:, None] > known).mean() > 0.8


def test_p_values_of_known_texts_are_spread_evenly_and_those_of_others_are_small(novelty: Novelty) -> None:
    known, other = (novelty.p_values(seen(texts(np.repeat(labels, 200)))) for labels in (np.arange(6), np.arange(6, 8)))

    for share in (0.05, 0.25, 0.5):
        assert (known <= share).mean() == pytest.approx(share, abs=0.08)
    assert (other <= 0.05).mean() > 0.7
    assert (other.min(), known.max()) == (1 / 121, pytest.approx(1.0, abs=0.02))


def test_a_p_value_counts_the_held_out_rows_that_score_at_least_as_high() -> None:
    codes = np.repeat(np.arange(6), 10)
    held_out, some = seen(texts(codes)), seen(texts(np.arange(40) % 8))
    novelty = novelty_of(texts(codes), codes, held_out)

    of_held_out, scores = novelty.scores(held_out), novelty.scores(some)

    counts = (of_held_out[None, :] >= scores[:, None]).sum(axis=1)
    np.testing.assert_allclose(novelty.p_values(some), (1 + counts) / 61)


@pytest.mark.parametrize("width", [0, WIDTH])
def test_a_low_greatest_logit_tells_as_well_and_alone_where_there_are_no_vectors(width: int) -> None:
    codes = np.repeat(np.arange(6), 20)
    rows, held_out, known = (texts(codes)[:, :width] for _ in range(3))

    novelty = novelty_of(rows, codes, seen(held_out))

    high, low = (novelty.scores(seen(known, logits)) for logits in (1.0, -3.0))
    assert high.mean() == pytest.approx(0.0, abs=0.4)
    assert (low[:, None] > high).mean() > (0.8 if width else 0.97), "with vectors it is one sign of four"
