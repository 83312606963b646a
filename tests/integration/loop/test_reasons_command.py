"""`labelloop sources reasons` and `guidelines` on files, with the examples of docs/reasons.md: no server anywhere."""

import json
import re
from pathlib import Path

import pytest

from ml_backend.demo.tickets import load_tickets
from ml_backend.tasks import template_path
from tests.backend_process import command, command_error, command_result
from tests.studio import choice

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = re.compile(r"```\w+\n# (sources/[^\n]+)\n(.*?)```", re.DOTALL)
SHOWN = re.compile(r"```(?:text|markdown)\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"^# ((?:gazetteers|patterns)/\S+[^\n]*\.(?:txt|toml))\n((?:.+\n)*)", re.MULTILINE)
WHY = {
    "Returns": ("exchange", "It has arrived, and they want another one."),
    "Account Access": ("password", "They cannot get in."),
    "Cancellation": ("cancel", "They want it to end."),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all tickets, labeled, some with a reason and some pre-labeled wrongly, and the guide's sources."""
    folder = tmp_path_factory.mktemp("reasons")
    for name, text in EXAMPLE.findall((DOCS / "sources.md").read_text(encoding="utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tasks = []
    for number, ticket in enumerate(load_tickets(), start=1):
        word, why = WHY.get(ticket.label, ("", ""))
        start = ticket.text.lower().find(word) if word else -1
        result = choice(ticket.label)
        task = {"id": number, "data": {"text": ticket.text}}
        annotation = {"id": number, "completed_by": 1 + number % 3, "result": result}
        if start >= 0 and number % 2:
            named = {"to_name": "text", "id": f"r{number}"}
            place = {"start": start, "end": start + len(word), "text": word, "labels": ["evidence"]}
            result.append({**named, "from_name": "category_reason", "type": "textarea", "value": {"text": [why]}})
            result.append({**named, "from_name": "category_evidence", "type": "labels", "value": place})
            if ticket.label == "Returns":
                annotation["parent_prediction"] = number
                task["predictions"] = [{"id": number, "model_version": "v1", "result": choice("Shipping")}]
        tasks.append({**task, "annotations": [annotation]})
    (folder / "tickets.json").write_text(json.dumps(tasks), encoding="utf-8")
    return folder


def options(files: Path, name: str = "sources") -> list[str]:
    config = str(template_path("classification_with_reasons"))
    return ["--sources", str(files / name), "--studio-export", str(files / "tickets.json"), "--config", config]


def shown_in_docs() -> list[str]:
    return SHOWN.findall((DOCS / "reasons.md").read_text(encoding="utf-8"))


def test_reasons_prints_what_the_guide_shows_and_its_proposals_are_sources(files: Path) -> None:
    done = command(files / "home", "sources", "reasons", *options(files))
    assert done.returncode == 0, done.stderr
    worklist, proposals, _ = shown_in_docs()
    assert done.stdout.startswith(worklist)
    assert proposals in done.stdout
    for name, text in BLOCK.findall(done.stdout):
        path = files / "pasted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + text, encoding="utf-8")
    checked = command_result(files / "home", "sources", "check", *options(files, "pasted"))
    found = command_result(files / "home", "sources", "reasons", *options(files))
    assert checked["faults"] == []
    assert [each["label"] for each in checked["sources"]] == sorted({each["label"] for each in found["phrases"]})
    assert found["reasons"] == sum(each["reasons"] for each in found["groups"])
    assert found["held_back"] > 0


def test_guidelines_are_what_the_guide_shows(files: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "guidelines.md"
    found = command_result(files / "home", "sources", "guidelines", *options(files), "--out", str(page))
    assert found["path"] == str(page)
    *_, excerpt = shown_in_docs()
    assert excerpt in page.read_text(encoding="utf-8")
    assert sum(len(label["reasons"]) for label in found["controls"][0]["labels"]) == 5


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["check", "--push"], "--push shows differences in Label Studio; give the project: --project ID"),
        (["reasons", "--language", "klingon"], "language 'klingon' found; wanted one of"),
        (["reasons", "--project", "1"], "name the rows: either --project ID or --studio-export FILE --config FILE"),
    ],
)
def test_what_cannot_be_done_is_refused(files: Path, arguments: list[str], problem: str) -> None:
    assert problem in command_error(files / "home", "sources", *arguments, *options(files))
