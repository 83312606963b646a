import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.storage.feature_cache import FeatureCache

WIDTH = 4
PLENTY = 2**20


class Reader:
    """Vectors that tell the text's length, and the texts that were read."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Floats2d:
        self.texts += texts
        return np.array([[len(text), 1, 0, 0] for text in texts], dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "features.sqlite"


def test_a_text_is_read_once_per_base_model(path: Path) -> None:
    reader = Reader()
    for base in ("one", "one", "other"):
        vectors = FeatureCache(path, PLENTY).vectors(base, ["abc", "a", "abc"], WIDTH, reader)
        assert vectors[:, 0].tolist() == [3, 1, 3]
    assert reader.texts == ["abc", "a"] * 2


def test_what_was_read_before_an_error_is_kept(path: Path) -> None:
    texts = [f"{n} words" for n in range(2000)]
    reader = Reader()

    def broken(some: Sequence[str]) -> Floats2d:
        if reader.texts:
            raise KeyboardInterrupt
        return reader(some)

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(path, PLENTY).vectors("one", texts, WIDTH, broken)
    FeatureCache(path, PLENTY).vectors("one", texts, WIDTH, reader)
    assert reader.texts == texts


def test_the_oldest_give_way(path: Path) -> None:
    for start in range(0, 5000, 1000):
        FeatureCache(path, 1).vectors("one", [f"{n} words" for n in range(start, start + 1000)], WIDTH, Reader())
    with sqlite3.connect(path) as cache:
        assert cache.execute("SELECT count(*) FROM vectors").fetchone() == (1024,)
    cache.close()


def test_nothing_is_kept_with_a_limit_of_0(path: Path) -> None:
    assert FeatureCache(path, 0).vectors("one", ["abc"], WIDTH, Reader())[0, 0] == 3
    assert not path.parent.exists()


def test_a_damaged_file_is_made_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    assert FeatureCache(path, PLENTY).vectors("one", ["abc"], WIDTH, Reader())[0, 0] == 3
