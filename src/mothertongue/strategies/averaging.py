"""Means of trained weights, and their interpolation with the base: the arithmetic of `average`.

Model soups, Wortsman et al. 2022a, arXiv 2203.05482; WiSE-FT, Wortsman et al. 2022b, arXiv
2109.01903. All is computed in double precision, on the CPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Trained:
    """The trained weights of a run by name, on the CPU, and the seed that drew what was new."""

    tensors: Mapping[str, Tensor]
    seed: int
    start: Mapping[str, Tensor] = field(default_factory=dict)
    """The same weights as they were before training; only where the strategy moves the base."""


def mean(values: Sequence[Tensor]) -> Tensor:
    """The mean of tensors of one shape, in double precision; of one tensor its very values."""
    total = values[0].double()
    for each in values[1:]:
        total = total + each.double()
    return total / len(values)


def interpolated(base: Tensor, tuned: Tensor, alpha: float) -> Tensor:
    """base + alpha (tuned - base); at 0 and at 1 the very values, where no sum rounds."""
    if alpha in (0.0, 1.0):
        return tuned if alpha else base
    return (1 - alpha) * base.double() + alpha * tuned.double()
