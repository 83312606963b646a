"""The scripts that README and CI call."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import REPOSITORY, name_of, repository_files

SCRIPTS = [path for path in repository_files() if path.parent == REPOSITORY / "scripts"]


def test_scripts_are_executable() -> None:
    scripts = [*SCRIPTS, REPOSITORY / ".ci" / "run"]
    assert [name_of(script) for script in scripts if not os.access(script, os.X_OK)] == []
    assert [name_of(script) for script in scripts if not script.read_text().startswith("#!/usr/bin/env ")] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_a_script_explains_itself_from_any_directory(script: Path, tmp_path: Path) -> None:
    shown = subprocess.run([script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.lower().startswith("usage: ")
    assert script.name in shown.splitlines()[0]


@pytest.mark.parametrize("name", ["install", "lock", "check", "format"])
def test_a_script_refuses_an_argument_that_it_does_not_know(name: str) -> None:
    run = subprocess.run(
        [REPOSITORY / "scripts" / name, "--no-such-option"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert f"scripts/{name}: unknown argument --no-such-option" in run.stderr


def test_install_says_which_python_it_wanted(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\necho "3.9 "\n')
    old.chmod(0o755)
    copy = tmp_path / "scripts" / "install"
    copy.parent.mkdir()
    copy.write_bytes((REPOSITORY / "scripts" / "install").read_bytes())
    copy.chmod(0o755)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "torch.txt").touch()
    run = subprocess.run(
        [copy], env={**os.environ, "PYTHON": str(old)}, capture_output=True, text=True, check=False, timeout=30
    )
    assert run.returncode == 1
    assert f"{old} is Python 3.9" in run.stderr
    assert "wanted 3.11, 3.12 or 3.13" in run.stderr
