"""Files that appear complete or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

__all__ = ["whole_binary_file", "whole_file"]

PUBLIC = 0o644
PRIVATE = 0o600


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text file to write to; it takes its place at the end of the block, unless that raises."""
    # Temporary files are closed to other users; results are not meant to be.
    with _draft(path, PUBLIC) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def whole_binary_file(path: Path) -> Iterator[IO[bytes]]:
    """The same for bytes that are not for everybody: only its owner can read the file."""
    with _draft(path, PRIVATE) as draft, draft.open("wb") as file:
        yield file


@contextmanager
def _draft(path: Path, mode: int) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as made:
        draft = Path(made.name)
    try:
        yield draft
        draft.chmod(mode)
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
