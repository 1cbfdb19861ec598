"""What was used of the machine."""

import os
import platform
import subprocess
import sys

import numpy as np
import psutil
import pytest

from mothertongue.comparison.jobs.local import slots
from mothertongue.errors import ConfigError
from mothertongue.model import devices


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of a process")
def test_peak_memory_is_this_processs_own_and_not_its_parents() -> None:
    large = np.ones(400_000_000 // 8)
    code = (
        "import torch; from mothertongue.model.devices import peak_memory_bytes as peak\n"
        "cpu = torch.device('cpu'); before = peak(cpu); kept = torch.ones(25_000_000)\n"
        "print(before, peak(cpu))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    before, after = map(int, done.stdout.split())
    assert before < large.nbytes
    assert after - before == pytest.approx(100e6, rel=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep a process to some")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
def test_freed_memory_is_given_back() -> None:
    process, size = psutil.Process(), 64_000  # too small for a mapping of its own
    *blocks, last = [b"x" * (size + i) for i in range(1500)]
    held = process.memory_info().rss
    del blocks
    devices.give_back_freed_memory()
    assert process.memory_info().rss < held - 1000 * size, "although the last is kept"
    assert last


def test_only_the_processors_that_the_process_may_use_are_planned_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As under taskset -c 0 on a machine of many."""
    before = os.sched_getaffinity(0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert slots(1) == [{}]
        with pytest.raises(ConfigError, match="this process may use 1 processors"):
            slots(2)
    finally:
        os.sched_setaffinity(0, before)
