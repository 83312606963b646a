"""The README, the docs and the help say what is there."""

import re
from typing import Any

from typer.main import get_command

from ml_backend.cli.app import app
from ml_backend.options import all_settings, project_settings
from tests.architecture.tree import REPOSITORY, name_of, repository_files

README = REPOSITORY / "README.md"
PAGES = [path for path in repository_files() if path.suffix == ".md"]
SETTING = re.compile(r"^\| `LABELLOOP_(\w+)` \| (?:`(.*?)`)? \| (.+) \| (.*) \|$", re.MULTILINE)


def test_the_settings_table_is_complete_and_true() -> None:
    own, in_studio = project_settings(), project_settings(in_studio=True)
    where = {name: "also in Label Studio" if name in in_studio else "yes" for name in own}
    wanted = [
        (name.upper(), str(field.default), field.description, where.get(name, ""))
        for name, field in all_settings().items()
    ]
    table = README.read_text(encoding="utf-8").partition("<!-- settings -->")[2].partition("<!-- /settings -->")[0]
    assert SETTING.findall(table) == wanted, "scripts/format rewrites the table"


def test_links_between_pages_lead_somewhere() -> None:
    dead = []
    for page in PAGES:
        targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
        dead += [f"{name_of(page)}: {target}" for target in local if not (page.parent / target).exists()]
    assert dead == []


def test_the_scripts_that_the_pages_name_exist() -> None:
    missing = [
        f"{name_of(page)}: {name}"
        for page in PAGES
        for name in set(re.findall(r"\bscripts/([\w.-]*\w)", page.read_text(encoding="utf-8")))
        if not (REPOSITORY / "scripts" / name).exists()
    ]
    assert missing == []


def test_the_commands_that_the_pages_name_exist() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:`|^ +)labelloop ((?:jobs |models )?[a-z][a-z-]*)", text, re.MULTILINE))
    assert "connect" in named
    assert {command for command in named if not _is_command(command)} == set()


def _is_command(name: str) -> bool:
    command: Any = get_command(app)
    for part in name.split():
        command = command.commands.get(part)
        if command is None:
            return False
    return True
