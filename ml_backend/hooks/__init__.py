"""Hooks: other people's code at the loop's turning points.

A hook is any object with functions that carry the mark `hookimpl`; `specs` lists the turning points. It is found as an
entry point of the group `labelloop`, or named in `LABELLOOP_HOOKS`.
"""

from .load import load_hooks
from .manager import Hooks
from .specs import DROP, HookSpecs, Training, hookimpl

__all__ = ["DROP", "HookSpecs", "Hooks", "Training", "hookimpl", "load_hooks"]
