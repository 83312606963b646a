"""Things that come in several kinds, found by listing the folder that holds a module for each kind.

Nobody imports such a class by its name, so `__all__` of its module is mostly empty.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from inspect import isabstract
from typing import TypeVar

__all__ = ["classes_in", "kind_names"]

T = TypeVar("T")


def classes_in(package: str, base: type[T], key: str) -> Mapping[str, type[T]]:
    """Return the concrete subclasses of a class that the modules of a package define, by one of their attributes.

    Args:
        package: full name of the package, such as `__package__`; every module in its folder is imported.
        base: the abstract class that all kinds derive from.
        key: name of the class attribute that tells kinds apart, such as `name`.

    Returns:
        The classes in alphabetical order of their modules.
    """
    return {getattr(kind, key): kind for kind in _classes(package) if issubclass(kind, base) and not isabstract(kind)}


def kind_names(package: str) -> list[str]:
    """Return the names of a package's modules that hold a kind each, in order, without importing one of them."""
    return [name for name in _module_names(package) if name != "base"]


@cache
def _classes(package: str) -> Sequence[type]:
    """Return all classes that the modules of a package define."""
    modules = [importlib.import_module(f"{package}.{name}") for name in _module_names(package)]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]


def _module_names(package: str) -> list[str]:
    return [info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)]
