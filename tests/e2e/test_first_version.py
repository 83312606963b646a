"""Pre-labels before the first label: a real Label Studio, the backend as a process, and a folder of label sources."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.workflows.splits import splits_of
from tests.backend_process import command, command_result
from tests.e2e.loops import Loop, config_of, connected_loop
from tests.kinds import ASPECTS, KINDS, NAMES, Example, result_of
from tests.running import until

TASKS, LABELED = 150, 90
KNOWN = 5
"""Names and phrases of each label that the sources list; texts hold others as well."""


@pytest.fixture(params=["entities", "multiple_choice"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    """Gazetteers of some names per label; rationales of some phrases."""
    folder = tmp_path / "sources"
    if kind == "entities":
        (folder / "gazetteers").mkdir(parents=True)
        for label, names in NAMES.items():
            (folder / "gazetteers" / f"{label}.txt").write_text("\n".join(names[:KNOWN]), encoding="utf-8")
        return folder
    folder.mkdir()
    rationales = [
        f"@rationale({label!r})\ndef reason_{number}(text):\n    return text.mentions(*{list(phrases[:KNOWN])!r})\n"
        for number, (label, phrases) in enumerate(ASPECTS.items())
    ]
    (folder / "reasons.py").write_text(
        "from ml_backend.sources.writing import rationale\n\n" + "\n".join(rationales), encoding="utf-8"
    )
    return folder


@pytest.fixture
def examples(kind: str) -> dict[str, Example]:
    return {example.text: example for example in KINDS[kind].examples(TASKS, seed=5)}


@pytest.fixture
def loop(studio: LocalStudio, kind: str, folder: Path, examples: dict[str, Example], tmp_path: Path) -> Iterator[Loop]:
    tasks = [{"data": {"text": text}} for text in examples]
    with connected_loop(studio, tmp_path, kind, config_of(kind), tasks, sources=str(folder)) as made:
        yield made


@pytest.mark.long
def test_sources_alone_prelabel_and_labels_take_over_at_the_gate(loop: Loop, examples: dict[str, Example]) -> None:
    tasks = {task.id: str(task.data["text"]) for task in loop.open_tasks()}
    splits = dict(zip(tasks, splits_of(loop.services, loop.project, list(tasks.values())), strict=True))

    job = loop.backend.finish(loop.services, loop.backend.press_start_training(loop.services, loop.project))
    first = job.result["model_version"]

    assert (job.result["is_promoted"], job.result["learned_from"]) == (True, "label sources alone")
    predictions = {task_id: loop.prediction(task_id, first) for task_id in tasks}
    assert {split for split in splits.values() if split.is_held_out}
    assert not any(predictions[task_id]["result"] for task_id in tasks if splits[task_id].is_held_out)
    for_training = [task_id for task_id in tasks if splits[task_id] is Split.TRAIN]
    answered = {(task_id, *part) for task_id in for_training for part in _parts(predictions[task_id]["result"])}
    true = {(task_id, *part) for task_id in for_training for part in _parts(result_of(examples[tasks[task_id]]))}
    assert len(answered & true) >= 0.5 * len(answered | true), f"{len(answered & true)} of {len(true)} parts are found"
    (version,) = _command(loop, "models", "list", as_json=True)
    assert version["learned_from"] == "label sources alone"
    assert "label sources alone" in _command(loop, "models", "list")

    labeled = [*(task_id for task_id in tasks if splits[task_id].is_held_out), *for_training][:LABELED]
    for task_id in labeled:
        loop.services.studio.submit_annotation(task_id, {"result": result_of(examples[tasks[task_id]])})
    events = loop.services.database.events
    until(lambda: len(events.labeled(loop.project.id, labeled)) == len(labeled), "every event")
    second = _command(loop, "train", "--project", str(loop.project.id), "--method", "regression", as_json=True)

    assert second["learned_from"] != "label sources alone"
    assert second["gate"]["champion"] == first
    assert second["gate"]["rows"] == sum(splits[task_id] is Split.TEST for task_id in labeled) > 0
    assert second["gate"]["champion_score"] > 0.3


def _parts(result: list[dict[str, Any]]) -> set[tuple[int, int, str]]:
    """Labels with the places of their pieces, 0 and 0 for whole texts."""
    values = [region["value"] for region in result]
    return {
        (value.get("start", 0), value.get("end", 0), label)
        for value in values
        for label in value.get("labels", value.get("choices", []))
    }


def _command(loop: Loop, *arguments: str, as_json: bool = False) -> Any:
    options = loop.services.options
    if as_json:
        return command_result(options.home, *arguments, environment=options.environment())
    return command(options.home, *arguments, environment=options.environment()).stdout
