"""Folders for all machines: kept whole, checked on reading, and copied within a bound."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.errors import StateError
from ml_backend.storage.shared_files import SharedFiles
from ml_backend.storage.shared_folders import SharedFolders

GB = 10**9


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder, and an object store."""
    url = str(tmp_path / "drive") if request.param == "folder" else f"memory://{tmp_path.name}"
    yield url
    SharedFiles(url).remove("")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "controls" / "0").mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")
    (folder / "controls" / "0" / "_head").write_bytes(b"\0" * 1000)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_machine_gets_what_one_has_kept(place: str, bundle: Path, tmp_path: Path) -> None:
    SharedFolders(place).keep("bundles/a-1", bundle)

    found = SharedFolders(place, tmp_path / "cache", GB).find("bundles/a-1")

    assert found is not None
    assert contents(found) == contents(bundle)
    assert SharedFolders(place, tmp_path / "cache", GB).find("bundles/a-2") is None


def test_a_folder_that_is_kept_never_changes(place: str, bundle: Path, tmp_path: Path) -> None:
    SharedFolders(place).keep("a", bundle)
    (bundle / "bundle.json").write_text("other")
    SharedFolders(place).keep("a", bundle)

    found = SharedFolders(place, tmp_path / "cache", GB).find("a")

    assert found is not None
    assert (found / "bundle.json").read_text() == "{}"


def test_a_folder_is_not_there_before_its_last_file_is(
    place: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = SharedFiles.write

    def write_or_fail(self: SharedFiles, name: str) -> object:
        if name == "a.json":
            raise OSError("the line is cut")
        return write(self, name)

    monkeypatch.setattr(SharedFiles, "write", write_or_fail)
    with pytest.raises(StateError, match="the line is cut") as raised:
        SharedFolders(place).keep("a", bundle)
    assert raised.value.is_passing
    monkeypatch.setattr(SharedFiles, "write", write)

    assert SharedFolders(place, tmp_path / "cache", GB).find("a") is None


def test_a_file_that_was_changed_is_refused(place: str, bundle: Path, tmp_path: Path) -> None:
    SharedFolders(place).keep("a", bundle)
    files = SharedFiles(place)
    digest = next(name for name in files.names("a") if files.size(f"a/{name}") == 1000)
    with files.write(f"a/{digest}") as draft:
        draft.write_bytes(b"\1" * 1000)

    with pytest.raises(StateError, match=r"controls/0/_head of a at .* has sha256 .* was kept"):
        SharedFolders(place, tmp_path / "cache", GB).find("a")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_list_cannot_write_outside_the_copy(tmp_path: Path) -> None:
    with SharedFiles(tmp_path / "drive").write("a.json") as draft:
        draft.write_text('{"../../evil": "00"}')

    with pytest.raises(StateError, match="outside the folder"):
        SharedFolders(str(tmp_path / "drive"), tmp_path / "cache", GB).find("a")


def test_copies_make_room_for_new_ones_but_for_those_in_use(bundle: Path, tmp_path: Path) -> None:
    shared = SharedFolders(str(tmp_path / "drive"), tmp_path / "cache", 2500)
    copies = []
    for age_s, name in enumerate("abcd"):
        shared.keep(name, bundle)
        copy = shared.find(name)
        assert copy is not None
        copies.append(copy)
        if name in "ab":
            os.utime(copy, (age_s, age_s))

    assert [copy.exists() for copy in copies] == [False, False, True, True]


def test_without_a_place_nothing_is_kept(bundle: Path, tmp_path: Path) -> None:
    shared = SharedFolders("", tmp_path / "cache", GB)
    shared.keep("a", bundle)

    assert shared.find("a") is None
    assert not (tmp_path / "cache").exists()
