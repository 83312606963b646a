"""What computes the layers of a model: one module per library."""

from .base import GraphRuntime, Runtime, graph_runtimes

__all__ = ["GraphRuntime", "Runtime", "graph_runtimes"]
