"""The commands of docs/analysts-guide.md, one after the other, in a folder with the demo's tickets."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from ml_backend.demo.tickets import load_tickets
from tests.backend_process import command
from tests.integration.tickets import CONFIG, write_export

PAGE = (Path(__file__).parents[3] / "docs" / "analysts-guide.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("labelloop ")
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.strip().splitlines()
]
TICKETS, LABELED = 260, 100


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's files: all tickets without labels, and the first ones with them, as after the expert's work."""
    (rationales,) = re.findall(r"```python\n# sources/reasons.py\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "reasons.py").write_text(rationales, encoding="utf-8")
    shutil.copy(CONFIG, tmp_path / "config.xml")
    tasks = [
        {"id": number, "data": {"text": ticket.text}, "annotations": []}
        for number, ticket in enumerate(load_tickets()[:TICKETS], start=1)
    ]
    (tmp_path / "tickets.json").write_text(json.dumps(tasks), encoding="utf-8")
    (tmp_path / "unlabeled.json").write_text(json.dumps(tasks[LABELED:]), encoding="utf-8")
    write_export(tmp_path / "labeled.json", rows=LABELED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_commands_do_what_it_says_one_after_the_other(folder: Path) -> None:
    told = {}
    for line in COMMANDS:
        done = command(folder / "home", *shlex.split(line))
        assert done.returncode == 0, f"labelloop {line}\n{done.stderr}"
        told[line] = done.stdout
    checked, proposed, selected, repaired, _, trained, _ = told.values()

    assert f"3 of 3 sources are on; {TICKETS} texts, 0 of them labeled" in checked
    assert "wants_it_to_end" in proposed
    assert re.search(r"`\w+` says \w+, (`\w+` says|the model) \w+", selected)
    assert f"{LABELED} of them labeled" in repaired
    assert re.search(r"weak rows of category (learned from|left out)", trained)
    assert (folder / "report" / "report.html").is_file()
