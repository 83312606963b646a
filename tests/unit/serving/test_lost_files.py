"""A champion whose files are damaged or gone: under the process that serves it, and before one starts."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_backend.domain.model import ModelVersion
from ml_backend.domain.ports import Predictor
from ml_backend.errors import BundleError
from ml_backend.serving.alarms import AlarmKind, Alarms
from ml_backend.serving.champions import Champions
from tests.fakes import FakePredictor, register_version
from tests.services import versions_in
from tests.unit.serving.projects import cold_start, project_of

PROJECT = project_of(1)
KEY = PROJECT.ref.key


class Shelf:
    """Versions with files, the newest of which is champion; each process that uses them has separate alarms."""

    def __init__(self, folder: Path, count: int) -> None:
        self.rows = versions_in(folder)
        self.versions: list[ModelVersion] = []
        for number in range(1, count + 1):
            version = register_version(self.rows, KEY, run_id=f"run-{number}")
            (version.path / "controls").mkdir(parents=True)
            (version.path / "bundle.json").write_text(version.name)
            (version.path / "controls" / "head.safetensors").write_text("weights")
            self.versions.append(version)
            self.rows.serve(version.name)

    def process(self) -> tuple[Champions, Alarms]:
        alarms = Alarms()
        return Champions(self.rows, _load, cold_start, alarms), alarms


def _load(path: Path) -> Predictor:
    if not (path / "controls" / "head.safetensors").exists():
        raise BundleError(f"{path} lacks head.safetensors")
    return FakePredictor((path / "bundle.json").read_text())


def cut(path: Path) -> None:
    (path / "bundle.json").write_text("")


HARM: list[Callable[[Path], object]] = [
    shutil.rmtree,
    cut,
    lambda path: (path / "controls" / "head.safetensors").unlink(),
    lambda path: path.rename(path.with_name("aside")),
]


@pytest.mark.parametrize("harm", HARM)
def test_a_champion_in_memory_goes_on_serving_with_an_alarm(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    shelf = Shelf(tmp_path, 2)
    champions, alarms = shelf.process()
    champions.refresh(PROJECT)
    assert alarms.sentences() == []

    harm(shelf.versions[-1].path)

    for _ in range(2):
        assert champions.refresh(PROJECT).version == "p-1-v2"
    sentence = alarms.about(AlarmKind.MODEL, KEY) or ""
    assert "the champion of project 1 cannot be read" in sentence
    assert "p-1-v2 answers for now" in sentence


@pytest.mark.parametrize(
    ("lost", "answers"),
    [
        ([3], "p-1-v2"),
        ([3, 2], "p-1-v1"),
        ([3, 1], "p-1-v2"),
        ([1], "p-1-v3"),
        ([3, 2, 1], ModelVersion.cold_start_name(KEY, "0123456789ab")),
    ],
)
def test_a_process_that_starts_serves_the_newest_whole_version(tmp_path: Path, lost: list[int], answers: str) -> None:
    shelf = Shelf(tmp_path, 3)
    for number in lost:
        shutil.rmtree(shelf.versions[number - 1].path)
    champions, alarms = shelf.process()

    assert champions.refresh(PROJECT).version == answers
    assert champions.refresh(PROJECT).version == answers
    assert len(alarms.sentences()) == (3 in lost)


def test_files_that_are_back_end_the_alarm(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 2)
    path = shelf.versions[-1].path
    path.rename(path.with_name("aside"))
    champions, alarms = shelf.process()
    assert champions.refresh(PROJECT).version == "p-1-v1"

    path.with_name("aside").rename(path)

    assert champions.refresh(PROJECT).version == "p-1-v2"
    assert alarms.sentences() == []
