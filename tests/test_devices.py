"""What was used of the machine."""

import subprocess
import sys

import numpy as np
import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of a process")
def test_peak_memory_is_this_processs_own_and_not_its_parents() -> None:
    large = np.ones(400_000_000 // 8)
    code = (
        "import torch; from mothertongue.devices import peak_memory_bytes as peak\n"
        "cpu = torch.device('cpu'); before = peak(cpu); kept = torch.ones(25_000_000)\n"
        "print(before, peak(cpu))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    before, after = map(int, done.stdout.split())
    assert before < large.nbytes
    assert after - before == pytest.approx(100e6, rel=0.2)
