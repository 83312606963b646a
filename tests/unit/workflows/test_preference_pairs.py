"""Pairs of responses that a training goes on with."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Snapshot, Split
from ml_backend.errors import ConfigurationError, TrainingError
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.preference_pairs import LEAST_PAIRS, PreferencePairs, preference_pairs
from tests.fake_studio import FakeStudio
from tests.services import add_project, add_version, choice, texts_in
from tests.unit.workflows.audits import training_context
from tests.unit.workflows.test_text_projects import AREA, reply

TRAIN, TEST = texts_in(Split.TRAIN, LEAST_PAIRS + 2), texts_in(Split.TEST, 2)


def fake(services: Services) -> FakeStudio:
    assert isinstance(services.studio, FakeStudio)
    return services.studio


@pytest.fixture
def project(services: Services) -> Project:
    """All drafts were mended, those of held-out tasks by somebody who saw them elsewhere, and two were only retyped."""
    project = add_project(services, [*TRAIN, *TEST], label_config=AREA)
    for number, task_id in enumerate(fake(services).tasks):
        draft = f"Draft {number}"
        services.studio.push_predictions(project.id, [(task_id, Prediction(tuple(reply(draft)), 0.5, "m1"))])
        mended = draft.upper() if number < 2 else f"Response {number}"
        (prediction,) = (each for each in fake(services).predictions.values() if each["task"] == task_id)
        services.studio.submit_annotation(task_id, {"result": reply(mended), "parent_prediction": prediction["id"]})
    return project


@pytest.fixture
def champion(services: Services, project: Project) -> ModelVersion:
    version = add_version(services, project)
    services.versions.serve(version.name)
    return version


@pytest.fixture
def snapshot(services: Services, project: Project) -> Snapshot:
    return export_project(services, project)


def read(services: Services, snapshot: Snapshot, project: Project | None, folder: Path | str = "") -> PreferencePairs:
    context = training_context(services, services.options.home / "job")
    return preference_pairs(services, snapshot, project, start="", folder=str(folder), context=context)


def files(folder: Path, **splits: Sequence[tuple[str, str, str]]) -> Path:
    folder.mkdir()
    for split, pairs in splits.items():
        lines = [json.dumps(dict(zip(("prompt", "chosen", "rejected"), pair, strict=True))) for pair in pairs]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    return folder


def test_mended_drafts_are_in_the_splits_of_their_rows_and_what_is_left_out_is_counted(
    services: Services, project: Project, champion: ModelVersion, snapshot: Snapshot
) -> None:
    found = read(services, snapshot, project)

    assert found.facts["pairs"] == {"train": LEAST_PAIRS, "validation": 0, "test": len(TEST)}
    assert {pair.prompt for pair in found.splits[Split.TEST]} == set(TEST)
    assert (found.start.name, found.served.name) == (champion.name, "reply")
    pair = found.splits[Split.TRAIN][0]
    assert (pair.prompt, pair.chosen, pair.rejected) == (TRAIN[2], "Response 2", "Draft 2")
    assert found.notes == (
        "2 rows and pairs were not learned from: the two responses are the same but for white space and case (2)",
    )


@pytest.mark.usefixtures("champion")
def test_a_later_attempt_gets_the_same_pairs(services: Services, project: Project, snapshot: Snapshot) -> None:
    first = read(services, snapshot, project)
    for annotation_id in list(fake(services).annotations):
        fake(services).remove_annotation(annotation_id)
    again = read(services, snapshot, project)

    assert (again.digest, again.notes, again.facts) == (first.digest, first.notes, first.facts)
    assert [(p.prompt, p.chosen, p.rejected) for p in again.splits[Split.TRAIN]] == [
        (p.prompt, p.chosen, p.rejected) for p in first.splits[Split.TRAIN]
    ]


@pytest.mark.usefixtures("champion")
def test_pairs_of_files_lose_repetitions_and_held_out_prompts(
    services: Services, snapshot: Snapshot, tmp_path: Path
) -> None:
    pairs = [(f"Question {number}?", "yes", "no") for number in range(LEAST_PAIRS)]
    more = [pairs[0], (TEST[0].upper(), "yes", "no"), ("Held out!", "yes", "no")]
    folder = files(tmp_path / "pairs", train=[*pairs, *more], validation=[("held out", "a", "b")])
    found = read(services, snapshot, None, folder)

    assert found.facts["pairs"] == {"train": LEAST_PAIRS, "validation": 1, "test": 0}
    assert found.notes == (
        "3 rows and pairs were not learned from: a prompt that is held out (2), a repeated pair (1)",
    )


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", f"0 pairs of responses to train on found; wanted at least {LEAST_PAIRS}"),
        ('{"prompt": "a"}', "train.jsonl, line 1: no response found under 'chosen'"),
        ("{", "train.jsonl, line 1: Expecting"),
        (None, "holds no train.jsonl; wanted a folder that `labelloop export --format preferences"),
    ],
)
def test_files_that_hold_too_little_or_something_else_are_refused(
    services: Services, snapshot: Snapshot, tmp_path: Path, content: str | None, fault: str
) -> None:
    if content is not None:
        (tmp_path / "train.jsonl").write_text(content)

    with pytest.raises((ConfigurationError, TrainingError), match=fault):
        read(services, snapshot, None, tmp_path)


def test_without_a_version_that_writes_or_any_pairs_the_error_says_what_to_do(
    services: Services, project: Project, snapshot: Snapshot
) -> None:
    with pytest.raises(TrainingError, match=r"no version of .* serves yet.* train it with method lora first"):
        read(services, snapshot, project)
    services.versions.serve(add_version(services, project).name)
    with pytest.raises(TrainingError, match="a snapshot holds no pairs of responses; give --preferences DIR"):
        read(services, snapshot, None)


def test_a_project_of_labels_is_refused(services: Services) -> None:
    labeled = add_project(services, TRAIN)
    for task_id in fake(services).tasks:
        services.studio.submit_annotation(task_id, {"result": choice("Billing")})

    with pytest.raises(TrainingError, match="method dpo tunes the model of one text area, and the label config has no"):
        read(services, export_project(services, labeled), labeled)
