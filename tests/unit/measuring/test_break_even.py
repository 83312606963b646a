"""From how many texts on labels that were paid for once are cheaper than a price per text."""

import math

import pytest

from ml_backend.measuring.break_even import cheaper_from


@pytest.mark.parametrize(
    ("once", "per_thousand", "otherwise", "texts"),
    [
        (100.0, 0.0, 2.0, 50_000),
        (100.0, 1.0, 2.0, 100_000),
        (0.001, 0.0, 2.0, 1),
        (0.0, 1.0, 2.0, 0),
        (100.0, 2.0, 2.0, math.inf),
        (0.0, 2.0, 1.0, math.inf),
    ],
)
def test_paying_once_is_cheaper_from_where_what_it_saves_has_paid_for_it(
    once: float, per_thousand: float, otherwise: float, texts: float
) -> None:
    assert cheaper_from(once, per_thousand, otherwise) == texts
