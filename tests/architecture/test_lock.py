"""The locks pin everything that pyproject.toml asks for, with hashes, and torch apart."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import REPOSITORY, name_of, project_table

LOCKS = REPOSITORY / "locks"
DEVELOPMENT, IMAGE, BUILD = LOCKS / "requirements.txt", LOCKS / "image.txt", LOCKS / "build.txt"
WEIGHTS = LOCKS / "weights.txt"
TORCH = (LOCKS / "torch.txt").read_text(encoding="utf-8")
# What each lock is made from: the extras of pyproject.toml that come on top of its dependencies.
EXTRAS = [(DEVELOPMENT, ("studio", "label-studio-ml", "dev")), (IMAGE, ("postgres", "label-studio-ml"))]

hashed_locks = pytest.mark.parametrize("lock", [DEVELOPMENT, IMAGE, BUILD, WEIGHTS], ids=name_of)


def test_torch_is_pinned_alone_and_without_hashes() -> None:
    lines = [line for line in TORCH.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 1
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", lines[0])


@hashed_locks
def test_every_other_package_is_pinned_with_hashes(lock: Path) -> None:
    assert [str(needed) for needed in _pinned(lock) if not re.fullmatch(r"==[^*,]+", str(needed.specifier))] == []
    assert [entry.splitlines()[0] for entry in _entries(lock) if "--hash=sha256:" not in entry] == []


@hashed_locks
def test_nothing_of_cuda_is_locked(lock: Path) -> None:
    assert [needed.name for needed in _pinned(lock) if re.match(r"torch$|triton$|nvidia-|cuda-", needed.name)] == []


@pytest.mark.parametrize(("lock", "extras"), EXTRAS, ids=["development", "image"])
def test_the_lock_fits_what_the_project_asks_for(lock: Path, extras: tuple[str, ...]) -> None:
    project = project_table()
    asked = [
        *project["dependencies"],
        *(needed for extra in extras for needed in project["optional-dependencies"][extra]),
    ]
    pinned = {canonicalize_name(needed.name): needed for needed in [*_pinned(lock), Requirement(_torch())]}
    unmet = []
    for needed in map(Requirement, asked):
        found = pinned.get(canonicalize_name(needed.name))
        version = str(found.specifier).removeprefix("==") if found else None
        if version is None or not needed.specifier.contains(version):
            unmet.append(f"{needed}: {version}")
    assert unmet == [], "scripts/lock makes it anew"


@pytest.mark.parametrize("lock", [IMAGE, BUILD], ids=name_of)
def test_the_image_holds_the_versions_that_are_tested(lock: Path) -> None:
    tested = {(needed.name, str(needed.specifier)) for needed in _pinned(DEVELOPMENT)}
    assert {(needed.name, str(needed.specifier)) for needed in _pinned(lock)} - tested == set()


def test_the_image_holds_neither_label_studio_nor_the_tools_of_developers() -> None:
    assert {needed.name for needed in _pinned(IMAGE)} & {"label-studio", "pytest", "mypy", "playwright", "uv"} == set()


def _entries(lock: Path) -> list[str]:
    # One entry: a pinned requirement, then its hashes on the lines that follow.
    return re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())


def _pinned(lock: Path) -> list[Requirement]:
    return [Requirement(entry.split("\\")[0].strip()) for entry in _entries(lock)]


def _torch() -> str:
    return TORCH.splitlines()[-1]
