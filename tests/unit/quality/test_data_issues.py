import numpy as np
import pytest

from ml_backend.quality.data_issues import Repeat, is_empty, nearest_neighbours, outliers, repeats


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u00a0", "\x00"])
def test_a_text_with_nothing_to_see_is_empty(text: str) -> None:
    assert is_empty(text)


@pytest.mark.parametrize("text", ["a", "👍", "?", "\u0645", " 1 "])
def test_a_text_with_something_to_see_is_not_empty(text: str) -> None:
    assert not is_empty(text)


def test_neighbours_are_those_of_a_full_comparison_without_the_text_itself() -> None:
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    found = nearest_neighbours(features)
    assert found.indices.tolist() == np.argsort(-cosines, axis=1)[:, :10].tolist()
    assert found.similarities == pytest.approx(-np.sort(-cosines, axis=1)[:, :10], abs=1e-5)


def test_no_text_is_its_own_neighbour_among_many_equal_ones() -> None:
    found = nearest_neighbours(np.ones((30, 4), np.float32))
    assert found.indices.shape == (30, 10)
    assert not (found.indices == np.arange(30)[:, None]).any()
    assert found.similarities == pytest.approx(np.ones((30, 10)))


@pytest.mark.parametrize(("rows", "k"), [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_few_texts_have_few_neighbours(rows: int, k: int) -> None:
    assert nearest_neighbours(np.ones((rows, 4), np.float32)).indices.shape == (rows, k)


def test_features_of_length_zero_have_neighbours_too() -> None:
    assert np.isfinite(nearest_neighbours(np.zeros((5, 3), np.float32)).similarities).all()


def test_equal_texts_and_texts_that_are_alike_are_pairs() -> None:
    features = np.eye(5, dtype=np.float32)[[0, 0, 1, 1, 2]]
    features[3, 4] = 0.1
    assert repeats(["a", "a", "b", "c", "d"], nearest_neighbours(features)) == [
        Repeat(0, 1, 1.0),
        Repeat(2, 3, pytest.approx(0.99504, abs=1e-4)),  # type: ignore[arg-type]
    ]


def test_without_features_equal_texts_alone_are_pairs() -> None:
    assert repeats(["a", "b", "a", "a"], None) == [Repeat(0, 2, 1.0), Repeat(0, 3, 1.0)]


def test_a_text_far_from_all_others_is_an_outlier() -> None:
    features = np.random.default_rng(0).normal(loc=1.0, scale=0.5, size=(50, 32)).astype(np.float32)
    features[7] = -1.0
    found = outliers(nearest_neighbours(features))
    assert np.flatnonzero(found.is_outlier).tolist() == [7]
    assert found.quality.argmin() == 7
    assert 0 < found.quality.min() <= found.quality.max() <= 1


def test_where_most_texts_are_equal_the_others_are_no_outliers_for_that_alone() -> None:
    random = np.random.default_rng(0)
    features = np.concatenate([np.ones((30, 8)), random.normal(size=(20, 8))]).astype(np.float32)
    found = outliers(nearest_neighbours(features))
    assert np.isfinite(found.quality).all()
    assert found.is_outlier.sum() < 10


def test_too_few_texts_have_no_outliers() -> None:
    features = np.concatenate([np.ones((15, 4)), -np.ones((1, 4))]).astype(np.float32)
    found = outliers(nearest_neighbours(features))
    assert not found.is_outlier.any()
    assert (found.quality == 1).all()
