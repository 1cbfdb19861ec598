"""A step asks a GPU for no more operations than docs/op_counts.json says."""

import json

import op_counts
import pytest


@pytest.mark.parametrize("strategy", op_counts.STRATEGIES)
def test_no_count_grew(strategy: str) -> None:
    recorded = json.loads(op_counts.OUT.read_text())[strategy]
    found = op_counts.counts_of(op_counts.STRATEGIES[strategy])
    assert found.keys() == recorded.keys()
    grown = {
        f"{phase}, {name}": f"{recorded[phase][name]} -> {value}"
        for phase, values in found.items()
        for name, value in values.items()
        if value > recorded[phase][name]
    }
    assert not grown, f"if it has to be, write them with benchmarks/op_counts.py: {grown}"


def test_what_starts_no_kernel_is_not_counted_as_one() -> None:
    ops = op_counts.Counter({"view": 5, "mm": 2, "native_layer_norm_backward": 1})
    assert op_counts.kernels(ops) == 5
