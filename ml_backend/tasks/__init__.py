"""Labeling kinds, one file each: how a control's answers are read, written, settled and counted."""

from .base import GivenAnswer, ServedControl, ServingPlan, TaskKind, find_kinds, serving_plan, template_path

__all__ = ["GivenAnswer", "ServedControl", "ServingPlan", "TaskKind", "find_kinds", "serving_plan", "template_path"]
