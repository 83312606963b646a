"""Effects of hooks on snapshots, exports, promotions and predictions, and of redaction on files."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Task
from ml_backend.domain.example import Row
from ml_backend.domain.model import PromotionState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.errors import HookError, PromotionVetoed
from ml_backend.exporters.base import Exporter, ExportRequest
from ml_backend.hooks import DROP, hookimpl
from ml_backend.hooks.redaction import Redaction
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.tasks import template_path
from ml_backend.workflows.exporting.formats import export_format
from ml_backend.workflows.exporting.snapshots import export_file, export_project
from ml_backend.workflows.labeling.predict import predict_for_studio
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.services import add_project, add_version, choice, texts_in, with_hook, write_export

MAIL, CARD = "jane.doe@example.org", "4111 1111 1111 1111"
ENTITIES = """<View><Text name="text" value="$text"/>
  <Choices name="category" toName="text"><Choice value="Billing"/><Choice value="Shipping"/></Choices>
  <Labels name="who" toName="text"><Label value="CONTACT"/><Label value="LOC"/></Labels></View>"""


class Dropping:
    @hookimpl
    def row_read(self, row: Row) -> Any:
        return DROP if row.task_id % 2 else row


class Failing:
    @hookimpl
    def row_read(self, row: Row) -> Row:
        raise ValueError("out of order")


@pytest.fixture
def redacting(services: Services) -> Services:
    return with_hook(services, Redaction("email,card"))


def planted(services: Services, count: int = 40) -> Project:
    """Labeled tasks in all splits, each with an address and a card number, both marked as entities."""
    words = [" ".join(f"w{number}x{position}" for position in range(12)) for number in range(count)]  # no duplicates
    texts = [f"{some}: write to {MAIL} about card {CARD} in Paris" for some in words]
    project = add_project(services, texts, label_config=ENTITIES)
    for number, text in enumerate(texts, start=1):
        spans = [(text.index(found), found) for found in (MAIL, "Paris")]
        regions = [
            {
                "from_name": "who",
                "to_name": "text",
                "type": "labels",
                "value": {"start": start, "end": start + len(found), "text": found, "labels": ["LOC"]},
            }
            for start, found in spans
        ]
        services.studio.submit_annotation(number, {"result": [*choice("Billing"), *regions]})
    return project


def leaks(folder: Path) -> list[str]:
    """Return the personal data that the files of a folder still hold."""
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert written
    return [part for part in (MAIL, CARD, "jane", "4111") if any(part.encode() in content for content in written)]


# `preferences` holds comparisons alone: see the next test.
@pytest.mark.parametrize("format_name", [name for name in Exporter.names() if name != "preferences"])
def test_redaction_keeps_personal_data_out_of_every_format(
    redacting: Services, tmp_path: Path, format_name: str
) -> None:
    out = tmp_path / "out" / "file"

    found = export_format(redacting, planted(redacting), ExportRequest(format_name, control="who"), out)

    assert sum(found.rows.values()) == 40
    assert leaks(out.parent) == []


def test_redaction_keeps_personal_data_out_of_comparisons(redacting: Services, tmp_path: Path) -> None:
    studio = redacting.studio
    project = add_project(redacting, label_config=template_path("pairwise").read_text())
    data = {"prompt": f"Who is {MAIL}?", "answer1": f"It is {MAIL}, card {CARD}", "answer2": "Nobody"}
    studio.import_tasks(project.id, [{"data": data}])
    region = {"from_name": "comparison", "to_name": "comparison", "type": "pairwise", "value": {"selected": "left"}}
    studio.submit_annotation(1, {"result": [region]})
    out = tmp_path / "out" / "file"

    found = export_format(redacting, project, ExportRequest("preferences"), out)

    assert sum(found.rows.values()) == 1
    assert leaks(out.parent) == []


def test_without_redaction_the_same_search_finds_them(services: Services, tmp_path: Path) -> None:
    export_format(services, planted(services), ExportRequest("rows"), tmp_path / "out" / "file")

    assert leaks(tmp_path / "out") == [MAIL, CARD, "jane", "4111"]


def test_redaction_keeps_personal_data_out_of_snapshots_and_each_row_in_the_split_of_its_original_text(
    services: Services, redacting: Services, tmp_path: Path
) -> None:
    project = planted(services)
    plain = export_project(services, project, tmp_path / "plain")
    masked = export_project(redacting, project, tmp_path / "masked")

    def tasks(path: Path) -> dict[Split, list[int]]:
        return {
            split: [row.task_id for row in SnapshotFolder(path).rows(split)] for split in Split if split.is_held_out
        }

    assert leaks(masked.path) == []
    assert masked.manifest.counts["train"] > 0
    assert tasks(masked.path) == tasks(plain.path)
    texts = [(split, row.input["text"]) for split in Split for row in SnapshotFolder(masked.path).rows(split)]
    assert any(SplitFractions().split_of(text) is not split for split, text in texts)  # by itself it would have moved


def test_a_task_that_is_disagreed_upon_stays_in_its_split_too(
    services: Services, redacting: Services, tmp_path: Path
) -> None:
    project = planted(services)
    for number in range(1, 40):  # the last task is agreed upon
        services.studio.submit_annotation(number, {"result": choice("Shipping"), "completed_by": 2})
    texts = {task_id: task["data"]["text"] for task_id, task in services.studio.tasks.items()}
    masked = export_project(redacting, project, tmp_path / "masked")
    plain = export_project(services, project, tmp_path / "plain")

    moved = SnapshotFolder(masked.path).moved()
    rows = list(SnapshotFolder(masked.path).unresolved())
    splits = {row.task_id: moved.get(row.task_id) or SplitFractions().split_of(row.input["text"]) for row in rows}
    assert moved
    assert splits == {row.task_id: SplitFractions().split_of(texts[row.task_id]) for row in rows}
    assert SnapshotFolder(plain.path).moved() == {}


def test_entities_stand_where_they_stood(redacting: Services, tmp_path: Path) -> None:
    out = tmp_path / "spans.jsonl"
    export_format(redacting, planted(redacting, 1), ExportRequest("spans", control="who"), out)

    (line,) = map(json.loads, out.read_text().splitlines())
    assert [span["text"] for span in line["spans"]] == ["xxxx.xxx@xxxxxxx.xxx", "Paris"]


def test_rows_that_a_hook_leaves_out_are_counted_apart_from_those_that_stay(services: Services, tmp_path: Path) -> None:
    hooked, project = with_hook(services, Dropping()), planted(services, 10)

    snapshot = export_project(hooked, project, tmp_path / "snapshot")
    found = export_format(hooked, project, ExportRequest("rows"), tmp_path / "rows")

    manifest = snapshot.manifest
    assert manifest.dropped["left_out_by_hook"] == 5
    assert {row.task_id % 2 for split in Split for row in SnapshotFolder(snapshot.path).rows(split)} == {0}
    assert (dict(found.rows), found.without_row) == ({"rows": 5}, 5)
    for reasons in (found.reasons, manifest.reasons):
        assert [(str(each.reason), each.task_ids) for each in reasons] == [("left_out_by_hook", (1, 3, 5, 7, 9))]
    labels = [manifest.label_counts[split]["category"]["Billing"] for split in Split]
    assert sum(labels) == sum(manifest.counts[split] for split in Split)


def test_a_hook_that_fails_leaves_nothing_half_written(services: Services, tmp_path: Path) -> None:
    hooked, project = with_hook(services, Failing()), planted(services, 3)
    out = tmp_path / "out"

    with pytest.raises(HookError, match=r"the hook Failing \(row_read\) failed with task-\d: ValueError: out of order"):
        export_project(hooked, project, out / "snapshot")
    with pytest.raises(HookError, match="Failing"):
        export_format(hooked, project, ExportRequest("rows"), out / "rows.jsonl")

    assert [path for path in out.rglob("*") if path.is_file()] == []
    assert len(services.studio.tasks) == 3
    assert services.database.snapshots.last(project.id) is None


def test_hooks_hear_of_a_snapshot_and_cannot_spoil_it(
    services: Services, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = []

    class Hearing:
        @hookimpl
        def snapshot_written(self, snapshot: Any) -> None:
            heard.append((snapshot.id, snapshot.is_new))
            raise RuntimeError("no room")

    hooked, project = with_hook(services, Hearing()), planted(services, 5)
    with caplog.at_level(logging.ERROR):
        snapshot = export_project(hooked, project)
        assert hooked.hooks.drain(5)

    assert heard == [(snapshot.id, True)]
    assert "the hook Hearing (snapshot_written) failed with snapshot" in caplog.text
    assert sum(1 for _ in SnapshotFolder(snapshot.path).rows(Split.TRAIN)) > 0


def test_an_export_of_a_file_is_redacted_too(redacting: Services, tmp_path: Path) -> None:
    planted(redacting, 5)
    path = write_export(redacting, tmp_path / "tasks.json")

    assert leaks(export_file(redacting, path, ENTITIES, SplitFractions(), tmp_path / "s").path) == []


class Guard:
    """Lets nothing but `allowed` serve, and keeps what it is told."""

    def __init__(self, allowed: str = "") -> None:
        self.allowed = allowed
        self.promoted: list[tuple[str, str, str]] = []
        self.predicted: list[tuple[str, str, list[int], list[bool]]] = []

    @hookimpl
    def before_promotion(self, model_version: str, previous: str, reason: str) -> str | None:
        return None if model_version == self.allowed else f"{reason}, but {previous} is fine"

    @hookimpl
    def model_promoted(self, project: str, model_version: str, previous: str) -> None:
        self.promoted.append((project, model_version, previous))

    @hookimpl
    def predictions_made(self, project: str, model_version: str, predictions: list[tuple[int, Prediction]]) -> None:
        shown = [bool(prediction.result) for _, prediction in predictions]
        self.predicted.append((project, model_version, [task_id for task_id, _ in predictions], shown))


class Broken:
    @hookimpl
    def before_promotion(self) -> str | None:
        raise RuntimeError("no policy server")


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, [*texts_in(Split.TRAIN, 2), *texts_in(Split.TEST, 1)])


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (
            Guard(),
            r"was not promoted: vetoed by Guard \(before_promotion\): better, but .*cold-start.* is fine. `labelloop",
        ),
        (Broken(), r"was not promoted: the hook Broken \(before_promotion\) failed .* RuntimeError: no policy server"),
    ],
)
def test_a_veto_leaves_everything_as_it_is(services: Services, project: Project, plugin: Any, message: str) -> None:
    version, before = add_version(services, project), services.versions.serving(project)

    with pytest.raises(PromotionVetoed, match=message):
        Promoter(with_hook(services, plugin)).promote(project, version.name, reason="better")

    assert services.versions.serving(project) == before
    assert services.database.promotions.history(project.id) == []
    assert services.studio.prediction_counts(project.id) == {}


def test_a_promotion_that_nobody_objects_to_is_told(services: Services, project: Project) -> None:
    version, before = add_version(services, project), services.versions.serving(project)
    guard = Guard(allowed=version.name)
    with_guard = with_hook(services, guard)

    promotion = Promoter(with_guard).promote(project, version.name, reason="better")

    assert promotion.state is PromotionState.DONE
    assert with_guard.hooks.drain(5)
    assert guard.promoted == [(project.ref.key, version.name, before)]


def test_what_somebody_forces_is_not_vetoed(services: Services, project: Project) -> None:
    version, before = add_version(services, project), services.versions.serving(project)
    guard = Guard()
    with_guard = with_hook(services, guard)

    Promoter(with_guard).promote(project, version.name, reason="now", is_forced=True)
    Promoter(with_guard).rollback(project, reason="back")

    assert services.versions.serving(project) == before
    assert with_guard.hooks.drain(5)
    assert [version for _, version, _ in guard.promoted] == [version.name, before]


def test_predictions_of_requests_and_pushes_are_told(services: Services, project: Project) -> None:
    guard = Guard()
    with_guard = with_hook(services, guard)
    predictor = services.champions.get(project)
    tasks = [Task(task_id, data["data"]) for task_id, data in services.studio.tasks.items()]

    predict_for_studio(with_guard, project, tasks)
    push_missing(with_guard, project, predictor)

    assert with_guard.hooks.drain(5)
    told = (project.ref.key, predictor.version, [1, 2, 3], [True, True, False])
    assert guard.predicted == [told, told]
