"""GFLOP/s of one product of whisper-base's shape in float32 and in bfloat16.

OMP_NUM_THREADS=1 python benchmarks/precision.py, for one thread. What
`precision: auto` takes on this processor is printed too.
"""

import json
import statistics
import time

import torch

from mothertongue.experiment.run_dir import environment
from mothertongue.model.devices import dtype_of

ROWS, WIDTH, INNER = 1300, 512, 2048  # clips x frames, the model's width, its feed-forward's
ROUNDS, PRODUCTS = 5, 20


def main() -> None:
    device = torch.device("cpu")
    print(
        json.dumps(
            {
                "gflops_per_s": {str(t)[6:]: speed(t) for t in (torch.float32, torch.bfloat16)},
                "auto": str(dtype_of("auto", device))[6:],
                "threads": torch.get_num_threads(),
                "cpu": torch.cpu.get_capabilities().get("cpu_name"),
                "environment": environment(),
            },
            indent=2,
        )
    )


def speed(dtype: torch.dtype) -> float:
    """The median over rounds of 10^9 operations a second."""
    x_ND, weight_FD = torch.randn(ROWS, WIDTH).to(dtype), torch.randn(INNER, WIDTH).to(dtype)
    seconds = []
    for _ in range(1 + ROUNDS):  # the first warms up
        began = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.nn.functional.linear(x_ND, weight_FD)
        seconds.append(time.perf_counter() - began)
    return round(2e-9 * ROWS * WIDTH * INNER * PRODUCTS / statistics.median(seconds[1:]), 1)


if __name__ == "__main__":
    main()
