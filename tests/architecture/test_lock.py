"""The lock pins everything that pyproject.toml asks for, with hashes, and torch apart."""

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import REPOSITORY, project_table

LOCK = (REPOSITORY / "locks" / "requirements.txt").read_text(encoding="utf-8")
TORCH = (REPOSITORY / "locks" / "torch.txt").read_text(encoding="utf-8")
# One entry: a pinned requirement, then its hashes on the lines that follow.
ENTRIES = re.split(r"\n(?=\S)", LOCK.strip())
PINNED = [Requirement(entry.split("\\")[0].strip()) for entry in ENTRIES]


def test_torch_is_pinned_alone_and_without_hashes() -> None:
    lines = [line for line in TORCH.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 1
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", lines[0])


def test_every_other_package_is_pinned_with_hashes() -> None:
    assert [str(needed) for needed in PINNED if not re.fullmatch(r"==[^*,]+", str(needed.specifier))] == []
    assert [entry.splitlines()[0] for entry in ENTRIES if "--hash=sha256:" not in entry] == []


def test_nothing_of_cuda_is_locked() -> None:
    assert [needed.name for needed in PINNED if re.match(r"torch$|triton$|nvidia-|cuda-", needed.name)] == []


def test_the_lock_fits_what_the_project_asks_for() -> None:
    project = project_table()
    asked = [*project["dependencies"], *project["optional-dependencies"]["studio"]]
    asked += project["optional-dependencies"]["dev"]
    pinned = {canonicalize_name(needed.name): needed for needed in [*PINNED, Requirement(_torch())]}
    unmet = []
    for needed in map(Requirement, asked):
        found = pinned.get(canonicalize_name(needed.name))
        version = str(found.specifier).removeprefix("==") if found else None
        if version is None or not needed.specifier.contains(version):
            unmet.append(f"{needed}: {version}")
    assert unmet == [], "scripts/lock makes it anew"


def _torch() -> str:
    return TORCH.splitlines()[-1]
