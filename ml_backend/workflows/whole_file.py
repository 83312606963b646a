"""Files that appear complete or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text file to write to; it takes its place at the end of the block, unless that raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}-", encoding="utf-8", newline="", delete=False
    ) as draft:
        file = Path(draft.name)
        try:
            yield draft.file
            draft.flush()
            # Temporary files are closed to other users; results are not meant to be.
            file.chmod(0o644)
            file.rename(path)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
