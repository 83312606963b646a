"""The seam for export formats: what one has to provide, and how it is found."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cache
from inspect import isabstract
from pathlib import Path
from typing import IO, ClassVar

from ..domain.example import Row
from ..errors import ConfigurationError

__all__ = ["Exporter", "exporter", "exporter_names"]


class Exporter(ABC):
    """One format. A subclass in a file of this folder is found by itself.

    Attributes:
        name: what `--format` is given; unique.
        description: what a reader of the file finds in it, in a sentence.
        suffix: usual ending of the files, with the dot.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    suffix: ClassVar[str]

    @abstractmethod
    def write(self, rows: Iterable[Row], target: IO[str]) -> int:
        """Write the rows as they come, holding one at a time; returns how many there were.

        Args:
            target: a UTF-8 text file that does not translate line ends (`newline=""`).
        """


def exporter(name: str) -> Exporter:
    """The exporter of a format.

    Raises:
        ConfigurationError: there is no such format; the message lists those there are.
    """
    found = _exporters().get(name)
    if found is None:
        raise ConfigurationError(f"unknown export format {name!r}; wanted one of {', '.join(exporter_names())}")
    return found


def exporter_names() -> tuple[str, ...]:
    """Names of all formats, in alphabetical order."""
    return tuple(sorted(_exporters()))


@cache
def _exporters() -> Mapping[str, Exporter]:
    exporters: dict[str, Exporter] = {}
    for module_info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        module = importlib.import_module(f"{__package__}.{module_info.name}")
        for value in vars(module).values():
            is_exporter = isinstance(value, type) and issubclass(value, Exporter) and not isabstract(value)
            if is_exporter and value.__module__ == module.__name__:
                exporters[value.name] = value()
    return exporters
