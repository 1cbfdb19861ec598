"""What plain products of a training step's shapes reach on this machine: {"flops_per_s": ...}.

A child of bench.py: each product forward, and for the gradients of its input and of its weights,
weighted by how often a step computes it. usage: ceiling.py JSON
"""

import json
import sys
import time

import torch

from mothertongue.model.devices import keep_freed_memory

REPEATS = 5


def main() -> None:
    spec = json.loads(sys.argv[1])
    keep_freed_memory()  # the ceiling must not be a low one
    dtype = torch.bfloat16 if spec["precision"] == "bf16" else torch.float32
    flops = seconds = 0.0
    for count, m, k, n in spec["products"]:
        for rows, inside, columns in ((m, k, n), (m, n, k), (k, m, n)):
            flops += count * 2 * m * k * n
            seconds += count * best_s(rows, inside, columns, dtype)
    print(json.dumps({"flops_per_s": flops / seconds}))


def best_s(rows: int, inside: int, columns: int, dtype: torch.dtype) -> float:
    left, right = torch.randn(rows, inside).to(dtype), torch.randn(inside, columns).to(dtype)
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
