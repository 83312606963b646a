"""The model without label-studio-ml."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("missing", ["label_studio_ml", "semver"])
def test_what_is_missing_and_how_to_install_it_is_said(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import ml_backend.model"
    if missing != "label_studio_ml":
        pytest.importorskip("label_studio_ml", reason="label-studio-ml is not installed, so it misses nothing itself")

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ)
    )

    error = done.stderr.splitlines()[-1]
    assert error.startswith("ImportError: ml_backend.model needs label-studio-ml 2.x, which cannot be imported")
    assert missing in error.partition("(")[2].partition(")")[0]
    assert "pip install --no-deps git+https://github.com/HumanSignal/label-studio-ml-backend" in error
    assert "`labelloop serve` does without" in error


def test_nothing_else_of_the_package_needs_it() -> None:
    code = "import sys; sys.modules['label_studio_ml'] = None; import ml_backend.web.server, ml_backend.cli"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
