"""The device that torch computes on, and the precision that is fastest there."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["cores", "has_bf16", "has_cuda", "on_cpu", "pick_device"]

DRIVERS = ("/proc/driver/nvidia/version", "/dev/dxg")
"""Present where NVIDIA's driver is, the second one in Windows' Linux."""


def cores() -> int:
    """CPU cores that this process may use."""
    # Not every system has processes bound to cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pick_device() -> str:
    """`cuda` where torch finds such a device, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def has_cuda(drivers: Sequence[str] = DRIVERS) -> bool:
    """True where torch finds a CUDA device; torch, which takes seconds to load, is asked only where a driver is."""
    return any(Path(driver).exists() for driver in drivers) and pick_device() == "cuda"


def has_bf16(device: str) -> bool:
    """True where the device multiplies bf16 matrices natively, as CPUs with AVX512-BF16 or AMX do."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch cannot be asked; fp32 is always right, only slower.
    ask = getattr(torch.cpu, "get_capabilities", None)
    capabilities = ask() if ask is not None else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@contextmanager
def on_cpu(module: "nn.Module") -> Iterator[None]:
    """The module's weights are on the CPU within, and where they were before after it."""
    device = next(module.parameters()).device
    module.to("cpu")
    try:
        yield
    finally:
        module.to(device)
