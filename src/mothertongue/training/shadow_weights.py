"""Copies of weights in the type of products, several of them in one tensor.

Autocast casts every weight in every step, and its gradient back. Here what trains is copied once a
step, all of it together, and gradients are handed over together. The weights themselves stay
float32: the optimizer, checkpoints and trackers see nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TOGETHER = 32
"""Gradients that are wide at a time when they are added to those of an earlier micro-batch."""


@dataclass(frozen=True, slots=True)
class _Pair:
    weight: Tensor
    copy: Tensor
    first: int
    """The first row of the weight in its copy."""

    def rows(self, tensor: Tensor) -> Tensor:
        return tensor[self.first : self.first + len(self.weight)]

    def gradient(self) -> Tensor:
        assert self.copy.grad is not None
        return self.rows(self.copy.grad)


def _copy(gradients: list[Any], pairs: Sequence[_Pair]) -> None:
    if pairs:
        torch._foreach_copy_(gradients, [pair.gradient() for pair in pairs])


class ShadowWeights:
    """The copies that the passes compute with."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._trained: list[_Pair] = []

    def joined(self, *parts: Tensor | int) -> Tensor:
        """Return one tensor of all parts, along the first dimension; a number is so many zeros.

        It collects gradients if any of the weights trains. If none does, the weights become views
        of it, so that they are in memory once. Raises ValueError without a weight.
        """
        weights = [part for part in parts if isinstance(part, Tensor)]
        if not weights:
            raise ValueError("no weight among the parts")
        sizes = [part if isinstance(part, int) else len(part) for part in parts]
        copy = weights[0].new_zeros(sum(sizes), *weights[0].shape[1:], dtype=self.dtype)
        pairs = [
            _Pair(part, copy, sum(sizes[:i]))
            for i, part in enumerate(parts)
            if isinstance(part, Tensor)
        ]
        for pair in pairs:
            pair.rows(copy).copy_(pair.weight.detach())
        if any(weight.requires_grad for weight in weights):
            copy.requires_grad_()
            self._trained += [pair for pair in pairs if pair.weight.requires_grad]
            return copy
        for pair in pairs:
            if pair.weight.dtype == self.dtype:
                pair.weight.data = pair.rows(copy)
        return copy

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the weights as they are now; gradients of passes that failed are forgotten."""
        for pair in self._trained:
            pair.copy.grad = None
        if self._trained:
            torch._foreach_copy_(
                [pair.rows(pair.copy.detach()) for pair in self._trained],
                [pair.weight.detach() for pair in self._trained],
            )

    @torch.no_grad()
    def hand_over_gradients(self) -> None:
        """Add the copies' gradients to those of the weights, and clear them."""
        first, more = list[_Pair](), list[_Pair]()
        for pair in self._trained:
            if pair.copy.grad is not None:
                (first if pair.weight.grad is None else more).append(pair)
        for pair in first:
            pair.weight.grad = torch.empty_like(pair.weight)
        _copy([pair.weight.grad for pair in first], first)
        for i in range(0, len(more), TOGETHER):
            # A sum of two types goes tensor by tensor on a GPU; a copy and a sum of one do not.
            wide = [torch.empty_like(pair.weight) for pair in more[i : i + TOGETHER]]
            _copy(wide, more[i : i + TOGETHER])
            sums: list[Any] = [pair.weight.grad for pair in more[i : i + TOGETHER]]
            torch._foreach_add_(sums, wide)
        for pair in self._trained:
            pair.copy.grad = None
