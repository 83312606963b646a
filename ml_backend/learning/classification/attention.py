"""The attention kernel of a training step."""

from typing import Any, Self

__all__ = ["AttentionSwitch"]

EAGER_TOKENS = 160
"""Up to this length plain matrix products beat torch's fused attention on the CPU: a whole training step takes two
thirds of the time at 10 to 140 tokens. Beyond, they are slower, and their memory grows with the square."""


class AttentionSwitch:
    """Sets the kernel of a transformers model by the length of a batch; after the block it is as it was before."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._before: str = module.config._attn_implementation
        self._current = self._before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._set(self._before)

    def set_for(self, tokens: int) -> None:
        """Set the kernel for batches of this many tokens a row."""
        self._set("eager" if tokens <= EAGER_TOKENS else self._before)

    def _set(self, name: str) -> None:
        if name != self._current:  # a change takes .1 ms
            self._module.set_attn_implementation(name)
            self._current = name
