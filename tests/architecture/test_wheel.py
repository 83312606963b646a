"""The wheel holds what the package needs at run time."""

from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.architecture.tree import PACKAGE, REPOSITORY, repository_files

builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed (extra dev)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    builder = builders.WheelBuilder(str(REPOSITORY))
    (path,) = builder.build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    return ZipFile(path)


def test_the_wheel_holds_every_file_of_the_package(wheel: ZipFile) -> None:
    templates = {
        f"ml_backend/{path.relative_to(REPOSITORY).as_posix()}" for path in _files(REPOSITORY / "label_config")
    }
    package = {path.relative_to(REPOSITORY).as_posix() for path in _files(PACKAGE)}
    assert templates
    held = {name for name in wheel.namelist() if name.startswith("ml_backend/")}
    assert held == package | templates


@pytest.mark.parametrize(
    "name",
    [
        "label_config/classification.xml",
        "demo/tickets.jsonl",
        "py.typed",
        "quality/report.html",
        "storage/migrations/env.py",
        "web/static/page.css",
        "web/templates/layout.html",
    ],
)
def test_what_is_read_and_not_imported_is_in_the_wheel_as_it_is(wheel: ZipFile, name: str) -> None:
    source = REPOSITORY if name.startswith("label_config/") else PACKAGE
    assert wheel.read(f"ml_backend/{name}") == (source / name).read_bytes()


def test_the_wheel_brings_the_command(wheel: ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    entry_points = ConfigParser()
    entry_points.read_string(wheel.read(name).decode())
    assert dict(entry_points["console_scripts"]) == {"labelloop": "ml_backend.cli:main"}


def _files(folder: Path) -> list[Path]:
    return [path for path in repository_files() if path.is_relative_to(folder)]
