"""Compute means of trained weights, and their interpolation with the base, for `average`.

Model soups, Wortsman et al. 2022a, arXiv 2203.05482; WiSE-FT, Wortsman et al. 2022b, arXiv
2109.01903. All is computed in double precision, on the CPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Trained:
    """The trained weights of a run by name, on the CPU, and the seed of its new weights."""

    tensors: Mapping[str, Tensor]
    seed: int
    start: Mapping[str, Tensor] = field(default_factory=dict)
    """The same weights before training; only if the strategy changes the base at its start."""


def mean(values: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors of one shape, in double precision; one tensor stays exact."""
    total = values[0].double()
    for each in values[1:]:
        total = total + each.double()
    return total / len(values)


def interpolated(base: Tensor, tuned: Tensor, alpha: float) -> Tensor:
    """Return base + alpha (tuned - base); at 0 and at 1 the exact values, without rounding."""
    if alpha in (0.0, 1.0):
        return tuned if alpha else base
    return (1 - alpha) * base.double() + alpha * tuned.double()
