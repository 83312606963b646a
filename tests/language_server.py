"""A small language model behind a real OpenAI-compatible server: SmolLM2 by `transformers serve`, on loopback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml_backend.labelstudio.local import free_port
from ml_backend.models.base.packaged import DEFAULT_TEXT_BASE_MODEL, packaged_folder
from tests.running import running_process

__all__ = ["language_server"]


@contextmanager
def language_server(folder: Path) -> Iterator[dict[str, str]]:
    """The settings that name the server and its model."""
    model = packaged_folder(DEFAULT_TEXT_BASE_MODEL)
    if model is None:
        pytest.skip(f"no installed package holds {DEFAULT_TEXT_BASE_MODEL}")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = Path(sys.executable).with_name("transformers")
    # In bf16, as the weights are stored, most CPUs take many times as long.
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with running_process([program, "serve", model, *options], folder / "language-server.log", url=f"{url}/health"):
        yield {
            "LABELLOOP_TEXT_SERVER_URL": f"{url}/v1",
            "LABELLOOP_TEXT_SERVER_MODEL": str(model),
            # Two cores answer one prompt after another, and 20 examples are many tokens.
            "LABELLOOP_PROMPT_AT_ONCE": "1",
            "LABELLOOP_PROMPT_TIMEOUT_S": "900",
        }
