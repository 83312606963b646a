"""The systemd units of docs/operating.md are such as systemd takes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import REPOSITORY

PAGE = REPOSITORY / "docs" / "operating.md"
BLOCK = re.compile(r"(?:^    .*\n|^\n)+", re.MULTILINE)
PROGRAM = "/opt/labelloop/.venv/bin/labelloop"


def units() -> tuple[str, str]:
    """The server's unit, and the worker's: the same but for the lines that the page gives."""
    blocks = [re.sub("^    ", "", block, flags=re.MULTILINE) for block in BLOCK.findall(PAGE.read_text("utf-8"))]
    server, differences = (block.strip() + "\n" for block in blocks if "[Service]" in block)
    worker = server.replace("ProtectClock=yes\n", "")
    for line in differences.splitlines():
        name, equals, _ = line.partition("=")
        if not equals:
            continue
        worker, count = re.subn(rf"^{name}=.*$", line, worker, flags=re.MULTILINE)
        if not count:
            worker = worker.replace("[Service]\n", f"[Service]\n{line}\n")
    return server, worker


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed on this machine")
    files = [tmp_path / "labelloop.service", tmp_path / "labelloop-worker.service"]
    for file, unit in zip(files, units(), strict=True):
        assert PROGRAM in unit
        file.write_text(unit.replace(PROGRAM, sys.executable))
    done = subprocess.run([program, "verify", *files], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_units_of_server_and_worker_give_up_all_rights_but_those_that_they_need() -> None:
    for unit, command in zip(units(), ("serve --no-worker", "worker"), strict=True):
        lines = unit.splitlines()
        assert f"ExecStart={PROGRAM} {command}" in lines
        assert {"User=labelloop", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="} <= set(lines)
