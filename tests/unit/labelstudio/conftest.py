"""Fixtures shared by the tests of the client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from ml_backend.labelstudio.http import StudioHttp
from tests.unit.labelstudio.scripted import LEGACY


@pytest.fixture
def http_over() -> Iterator[Callable[..., StudioHttp]]:
    """Makes the object under test over a transport, and closes it after the test."""
    with ExitStack() as made:

        def make(transport: httpx.BaseTransport, token: str = LEGACY, url: str = "http://studio.test/") -> StudioHttp:
            http = StudioHttp(url, token, 5, transport=transport, retry_wait_s=0)
            return made.enter_context(closing(http))

        yield make
