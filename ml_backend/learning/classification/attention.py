"""Which attention kernel a training step uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["EAGER_TOKENS", "AttentionSwitch", "attention_switch"]

EAGER_TOKENS = 160
"""Up to this length plain matrix products beat torch's fused attention on the CPU: a whole training step takes two
thirds of the time at 10 to 140 tokens. Beyond, they are slower, and their memory grows with the square."""


class AttentionSwitch:
    """Sets the kernel by the length of a batch; changing it takes 0.1 ms."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._given: str = self._module.config._attn_implementation
        self._current = self._given

    def set_for(self, tokens: int) -> None:
        """The kernel for batches of this many tokens a row."""
        self._set("eager" if tokens <= EAGER_TOKENS else self._given)

    def reset(self) -> None:
        """The kernel that was set before."""
        self._set(self._given)

    def _set(self, wanted: str) -> None:
        if wanted != self._current:
            self._module.set_attn_implementation(wanted)
            self._current = wanted


@contextmanager
def attention_switch(module: "nn.Module") -> Iterator[AttentionSwitch]:
    """A switch for the module; with the block the kernel is as it was."""
    switch = AttentionSwitch(module)
    try:
        yield switch
    finally:
        switch.reset()
