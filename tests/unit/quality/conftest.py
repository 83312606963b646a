"""Fixtures shared by the tests of audits."""

import pytest

from tests.tiny_models import save_tiny_model


@pytest.fixture(scope="package")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_model("bert", tmp_path_factory.mktemp("models") / "bert"))
