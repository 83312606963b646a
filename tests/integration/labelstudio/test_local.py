"""A Label Studio of one's own, really started."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ml_backend.errors import ConfigurationError, StudioUnauthorized, StudioUnreachable
from ml_backend.labelstudio.local import LocalStudio, find_label_studio, free_port


def _script(folder: Path, body: str) -> str:
    """An executable that stands in for Label Studio where only its ending matters."""
    path = folder / "label-studio"
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_it_answers_on_loopback_alone_and_takes_its_token(studio: LocalStudio) -> None:
    answer = httpx.get(f"{studio.url}/api/current-user/whoami", headers={"Authorization": f"Token {studio.token}"})

    assert answer.json()["email"] == studio.email
    assert studio.url.startswith("http://localhost:")
    port = int(studio.url.rpartition(":")[2])
    listening = subprocess.run(["ss", "-ltnH", f"sport = :{port}"], capture_output=True, text=True, check=False)
    if listening.returncode == 0 and listening.stdout:
        assert f"127.0.0.1:{port}" in listening.stdout
        assert f"0.0.0.0:{port}" not in listening.stdout
