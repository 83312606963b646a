"""The demo's folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ml_backend.demo.folder import fresh_folder
from ml_backend.errors import ConfigurationError


def test_what_an_earlier_demo_left_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with fresh_folder(tmp_path / "home" / "demo") as folder:
        (folder / "label-studio").mkdir()
        (folder / "label-studio" / "db.sqlite3").touch()
        (folder / "backend.log").touch()
        (folder / "link").symlink_to(outside)

    with fresh_folder(tmp_path / "home" / "demo") as folder:
        assert [entry.name for entry in folder.iterdir()] == [".labelloop-demo"]
    assert (outside / "kept").exists()


def test_what_the_demo_wrote_stays_after_its_end(tmp_path: Path) -> None:
    with fresh_folder(tmp_path / "demo") as folder:
        (folder / "backend.log").touch()

    assert (tmp_path / "demo" / "backend.log").exists()


@pytest.mark.parametrize("file", ["demo/thesis.txt", "demo"], ids=["a folder", "a file"])
def test_what_no_demo_made_is_left_alone(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("something")

    refused = pytest.raises(ConfigurationError, match=r"was not made by a demo; move it away")
    with refused, fresh_folder(tmp_path / "demo"):
        pass
    assert (tmp_path / file).read_text() == "something"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()

    with fresh_folder(tmp_path / "demo") as folder:
        assert folder == tmp_path / "demo"


def test_a_second_demo_in_the_same_folder_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    second = f"""
from pathlib import Path
from ml_backend.demo.folder import fresh_folder
from ml_backend.errors import ConfigurationError
try:
    with fresh_folder(Path({str(tmp_path / "demo")!r})):
        print("taken")
except ConfigurationError as error:
    print(error)
"""
    with fresh_folder(tmp_path / "demo") as folder:
        (folder / "backend.log").touch()
        said = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True, check=True).stdout
        assert (folder / "backend.log").exists()

    assert re.search(r"a demo runs in .*demo already \(process \d+\)", said)
