"""What computes the layers of a model: one module per library."""

from .base import Runtime

__all__ = ["Runtime"]
