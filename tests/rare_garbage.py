"""A pytest plugin for the quick run (`scripts/test --unit`): Python looks for cyclic garbage rarely.

Each search walks through all objects, and torch alone brings a million of them: that is a tenth of the run.
"""

import gc

gc.set_threshold(200_000, 20, 100)


def pytest_collection_finish() -> None:
    """Leave aside for good what importing and collecting made."""
    gc.collect()
    gc.freeze()
