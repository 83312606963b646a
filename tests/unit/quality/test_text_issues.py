from collections.abc import Sequence

import numpy as np
import pytest

from ml_backend.domain.quality import Issue, IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.quality.annotations import AnnotatedRow
from ml_backend.quality.text_issues import SimilarTexts, is_empty
from tests.reviewed_rows import control_of, reviewed


def similar(texts: Sequence[str], features: np.ndarray) -> SimilarTexts:
    rows = [reviewed(number, text, "cards") for number, text in enumerate(texts)]
    return SimilarTexts(AnnotatedRow.of(rows, [Split.TRAIN] * len(rows), control_of("cards", "loans")), features)


def outliers(features: np.ndarray) -> list[Issue]:
    found = similar([f"text {number}" for number in range(len(features))], features)
    return [issue for issue in found.issues(set()) if issue.kind is IssueKind.OUTLIER]


def test_a_text_is_empty_where_there_is_nothing_to_see() -> None:
    assert all(map(is_empty, ["", " \n\t", "\u200b\u00a0", "\x00"]))
    assert not any(map(is_empty, ["a", "👍", "?", "\u0645", " 1 "]))


def test_alike_are_the_texts_that_a_full_comparison_finds_and_none_is_its_own_copy() -> None:
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(12, 5)), 4, axis=0) + random.normal(scale=0.05, size=(48, 5))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = np.argwhere(np.triu(unit @ unit.T, 1) >= 0.98).tolist()

    pairs = similar([f"text {number}" for number in range(48)], features.astype(np.float32)).pairs

    assert [[pair.first, pair.second] for pair in pairs] == expected
    assert len(expected) > 50
    cosines = [float(unit[pair.first] @ unit[pair.second]) for pair in pairs]
    assert [pair.similarity for pair in pairs] == pytest.approx(cosines, abs=1e-5)


@pytest.mark.parametrize("features", [np.ones((30, 4)), np.zeros((5, 3)), np.ones((1, 4)), np.ones((0, 4))])
def test_texts_whose_features_are_all_alike_are_pairs_of_two_texts(features: np.ndarray) -> None:
    pairs = similar([f"text {number}" for number in range(len(features))], features.astype(np.float32)).pairs

    assert all(pair.first < pair.second for pair in pairs)
    assert bool(pairs) == (len(features) > 1)
    assert outliers(features.astype(np.float32)) == []


def test_equal_texts_and_texts_that_are_alike_are_pairs() -> None:
    assert similar(["a", "b", "a", "a"], np.eye(4, dtype=np.float32)).pairs == [(0, 2, 1.0), (0, 3, 1.0)]

    features = np.eye(5, dtype=np.float32)[[0, 0, 1, 1, 2]]
    features[3, 4] = 0.1
    assert similar(["a", "A ", "b", "c", "d"], features).pairs == [
        (0, 1, 1.0),
        (2, 3, pytest.approx(0.99504, abs=1e-4)),
    ]


def test_a_text_far_from_all_others_is_an_outlier() -> None:
    features = np.random.default_rng(0).normal(loc=1.0, scale=0.5, size=(50, 32)).astype(np.float32)
    features[7] = -1.0

    (found,) = outliers(features)

    assert found.task_id == 7
    assert 0 < found.quality <= 1 / 2.7


def test_where_most_texts_are_equal_the_others_are_no_outliers_for_that_alone() -> None:
    random = np.random.default_rng(0)
    found = outliers(np.concatenate([np.ones((30, 8)), random.normal(size=(20, 8))]).astype(np.float32))
    assert len(found) < 10
    assert np.isfinite([issue.quality for issue in found]).all()


def test_too_few_texts_have_no_outliers() -> None:
    features = np.concatenate([np.ones((15, 4)), -np.ones((1, 4))]).astype(np.float32)
    assert outliers(features) == []
    assert "16 texts are too few" in similar(["a"] * 16, features).warnings[0]
