"""A Ray cluster for the tests of a file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.nodes import Nodes

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head and a node, to which a test may add others."""
    import ray

    os.environ["PYTHONPATH"] = str(REPOSITORY)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Nodes()
    yield made
    ray.shutdown()
    made.cluster.shutdown()
