"""Files that appear complete or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import IO

from .errors import ConfigurationError

__all__ = ["whole_binary_file", "whole_draft", "whole_file", "whole_folder"]

PUBLIC = 0o644
PUBLIC_FOLDER = 0o755
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
def whole_draft(path: Path) -> Iterator[Path]:
    """The same as the path of an empty file, for those who open it themselves."""
    with _draft(path, PUBLIC) as draft:
        yield draft


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to write into; it takes its place at the end of the block, unless that raises.

    Raises:
        ConfigurationError: something else is there already.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigurationError(f"{path} holds something already; choose a folder that is empty or not there yet")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as made:
        draft = Path(made) / path.name
        draft.mkdir(PUBLIC_FOLDER)
        yield draft
        draft.rename(path)


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
