"""Choose the best device and precision of this machine, and control its memory."""

import ctypes
import os
import platform
import resource
import sys
from pathlib import Path

import psutil
import torch

from mothertongue.system.arguments import Precision

CGROUP = Path("/sys/fs/cgroup")  # of a container or a job of a cluster
PROCESS = Path("/proc/self/status")

CPU_CONTEXT_S = 80
"""Seconds of audio context that go through the encoder together on a CPU, such as 2 clips of 30 s.
More of them take memory (some 8 MB a second of training whisper-base) and gain little speed."""

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h


def best_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def processors() -> int:
    """Return how many processors this process may use; taskset and batch systems limit it."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_bf16(device: torch.device) -> bool:
    """Return whether products are faster in bfloat16 than in float32 on the device.

    Having the instruction is not enough: an Intel Xeon without AMX did 84 GFLOP/s in bfloat16 and
    165 in float32 (benchmarks/precision.py, one thread), while an AMD EPYC trained 1.8
    times as fast.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    can = torch.cpu.get_capabilities()
    is_intel = "intel" in str(can.get("cpu_name", "")).lower()
    return bool(can.get("amx_bf16") or (can.get("avx512_bf16") and not is_intel))


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of activations; without a measurement `auto` is bfloat16 where it is native.

    Runs of earlier versions recorded `auto`; see model/precision.py for what it means now.
    """
    if precision == "auto":
        return torch.bfloat16 if has_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def clips_together(context_s: float, device: torch.device) -> int | None:
    """Return how many clips of one context the encoder takes at once; None: all of them."""
    return max(1, int(CPU_CONTEXT_S // context_s)) if device.type == "cpu" else None


def keep_freed_memory() -> None:
    """Let this process reuse the memory of freed tensors; with glibc, elsewhere it does nothing.

    glibc gives a large block back to the system when it is freed and asks for it anew in the next
    operation, which then meets a page fault every 4 kB. A step of whisper-base on two cores ran at
    177 GFLOP/s with that and at 230 without (benchmarks/bench.py).
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 64 * 2**20)


def give_back_freed_memory() -> None:
    """Give freed memory back to the system; with glibc only, elsewhere it does nothing."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def free_memory_bytes(device: torch.device) -> int:
    """Return the bytes that this process may still use, of the GPU or of machine and cgroup."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no control groups, or no limit
        return free
    return min(free, limit - used)


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory so far: of the GPU, or of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        # ru_maxrss outlives exec: a child would begin with the peak of the process that started it.
        (line,) = [x for x in PROCESS.read_text().splitlines() if x.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):  # not Linux
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
