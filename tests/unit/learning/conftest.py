"""An encoder that the tests of a module share."""

import pytest

from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import encoder_of


@pytest.fixture(scope="module")
def encoder(base: str) -> TextEncoder:
    return encoder_of(base)
