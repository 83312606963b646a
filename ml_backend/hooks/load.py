"""Finds hooks: entry points of other packages, and those that a setting names."""

import importlib
import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points

from ..errors import ConfigurationError
from .manager import Hooks
from .specs import GROUP

__all__ = ["load_hooks"]


def load_hooks(names: str, timeout_s: float, shipped: Mapping[str, object]) -> Hooks:
    """All hooks there are.

    They are called in the reverse of this order: the shipped ones, so that their redaction has the last word on a row,
    entry points by name, and those of the setting.

    Args:
        names: `module:object`, several separated by commas; a class is called without arguments.
        shipped: hooks that labelloop itself brings, by name.

    Raises:
        ConfigurationError: one cannot be imported or used.
    """
    hooks = Hooks(timeout_s)
    for name, plugin in shipped.items():
        hooks.register(plugin, name)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        hooks.register(_imported(point.value, f"the entry point {point.name}"), point.name)
    for name in filter(None, (part.strip() for part in names.split(","))):
        hooks.register(_imported(name, "LABELLOOP_HOOKS"), name)
    return hooks


def _imported(name: str, source: str) -> object:
    module, _, path = name.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
        return found() if inspect.isclass(found) else found
    except Exception as error:  # foreign code may raise anything while it is imported
        raise ConfigurationError(
            f"the hook {name!r} of {source} cannot be loaded ({type(error).__name__}: {error}); wanted "
            "module:object of an installed package"
        ) from error
