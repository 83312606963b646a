import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.models.graphs.packing import feed, rows_of, unpacked

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=40)


@given(LENGTHS, st.integers(0, 48))
def test_every_sequence_is_in_one_row_and_no_row_of_several_is_overfull(lengths: list[int], row_tokens: int) -> None:
    rows = rows_of(lengths, row_tokens)

    assert sorted(member for row in rows for member in row.members) == list(range(len(lengths)))
    for row in rows:
        assert row.tokens == sum(lengths[member] for member in row.members)
        assert row.tokens <= row_tokens or len(row.members) == 1
    assert [row.tokens for row in rows] == sorted((row.tokens for row in rows), reverse=True)


@given(LENGTHS)
def test_what_is_computed_comes_back_to_its_sequence(lengths: list[int]) -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.integers(1, 1000, length).tolist() for length in lengths]
    rows = rows_of(lengths, 48)
    ids, positions, numbers = feed(sequences, rows, shape=(len(rows) + 1, 64), pad_id=0)

    found = dict(unpacked(ids[..., None].astype(np.float32), rows, sequences))

    assert {member: vectors[:, 0].tolist() for member, vectors in found.items()} == dict(enumerate(sequences))
    assert [np.flatnonzero(numbers.ravel()).size, positions.max()] == [sum(lengths), max(lengths) - 1]


def test_positions_begin_anew_with_every_sequence_and_padding_has_the_number_0() -> None:
    sequences = [[7, 8], [9, 9, 9]]
    rows = rows_of([2, 3], 8)

    ids, positions, numbers = feed(sequences, rows, shape=(1, 8), pad_id=5)

    assert ids.tolist() == [[9, 9, 9, 7, 8, 5, 5, 5]]
    assert positions.tolist() == [[0, 1, 2, 0, 1, 0, 0, 0]]
    assert numbers.tolist() == [[1, 1, 1, 2, 2, 0, 0, 0]]


def test_half_empty_rows_are_filled_with_what_is_short() -> None:
    assert len(rows_of([100, 20, 20, 100, 8, 8], 128)) == 2
