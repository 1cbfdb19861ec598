"""The device and the precision that this machine runs best, and what was used of its memory."""

import resource
import sys
from typing import Literal

import torch

Precision = Literal["auto", "bf16", "fp32"]


def best_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products are native on the device; emulated ones are slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of activations: `auto` takes bfloat16 where it is native."""
    if precision == "auto":
        return torch.bfloat16 if has_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held so far: of the GPU, or of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
