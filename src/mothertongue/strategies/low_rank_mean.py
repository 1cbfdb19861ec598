"""Compute the mean of LoRA's changes of one matrix as one change: exactly, for every variant.

D width of the matrix's input, E of its output, R rank.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from mothertongue.strategies.averaging import Trained, interpolated, mean

Variant = Literal["plain", "dora", "rslora", "pissa"]
ADAPTER = "default"  # PEFT's name for an adapter without a name


class Change(NamedTuple):
    """A matrix W after tuning, diag(stretch) W + up down, in double precision."""

    down_RD: Tensor
    up_ER: Tensor
    stretch_E: Tensor


def mean_change(changes: Sequence[Change], alpha: float) -> Change:
    """Return the change of W to W + alpha (the mean of the changed matrices - W).

    It is the mean of the products, not the product of the means: the A of one run has no meaning
    with the B of another. If all A are stacked in rows and all B in columns, one product, whose
    rank is the sum of their ranks, is the sum of all products.
    """
    share = alpha / len(changes)
    stretch_E = mean([each.stretch_E for each in changes])
    return Change(
        torch.cat([each.down_RD for each in changes]),
        torch.cat([share * each.up_ER for each in changes], dim=1),
        interpolated(torch.ones_like(stretch_E), stretch_E, alpha),
    )


@dataclass(frozen=True, slots=True)
class LoraFormula:
    """The settings that say how trained weights of LoRA change a matrix."""

    rank: int
    alpha: int
    variant: Variant

    def change(self, name: str, weight_ED: Tensor, run: Trained) -> Change:
        """Return the change that a run made to the matrix of this name.

        DoRA: diag(m / n) (W + s B A), where n is the norm of each row of the sum. PiSSA: the
        product of the first A and B was subtracted from W, so the change is s B A minus that
        product.
        """
        down_RD, up_ER = _factors(run.tensors, name)
        up_ER, stretch_E = self._scale * up_ER, torch.ones(len(up_ER), dtype=torch.float64)
        if self.variant == "pissa":
            first_RD, first_ER = _factors(run.start, name)
            down_RD = torch.cat([down_RD, first_RD])
            up_ER = torch.cat([up_ER, -self._scale * first_ER], dim=1)
        if self.variant == "dora":
            magnitude_E = run.tensors[_magnitude(name)].double()
            stretch_E = magnitude_E / _norm(weight_ED, up_ER @ down_RD)
        return Change(down_RD, stretch_E[:, None] * up_ER, stretch_E)

    def tensors(self, name: str, weight_ED: Tensor, change: Change) -> dict[str, Tensor]:
        """Return the trained weights, float32, that make this change to the matrix of this name."""
        up_ER = change.up_ER / change.stretch_E[:, None]
        found = {
            f"{name}.lora_A.{ADAPTER}.weight": change.down_RD.float(),
            f"{name}.lora_B.{ADAPTER}.weight": (up_ER / self._scale).float(),
        }
        if self.variant == "dora":
            norm_E = _norm(weight_ED, up_ER @ change.down_RD)
            found[_magnitude(name)] = (change.stretch_E * norm_E).float()
        return found

    @property
    def _scale(self) -> float:
        return self.alpha / (math.sqrt(self.rank) if self.variant == "rslora" else self.rank)


def _factors(tensors: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Return A and B of a matrix, in double precision."""
    down_RD, up_ER = (tensors[f"{name}.lora_{ab}.{ADAPTER}.weight"].double() for ab in "AB")
    return down_RD, up_ER


def _magnitude(name: str) -> str:
    return f"{name}.lora_magnitude_vector.{ADAPTER}.weight"


def _norm(weight_ED: Tensor, change_ED: Tensor) -> Tensor:
    """Return DoRA's norm of each row, rounded as PEFT does: a change of 0 changes no bit of W."""
    return torch.linalg.norm(weight_ED + change_ED.float(), dim=1).double()
