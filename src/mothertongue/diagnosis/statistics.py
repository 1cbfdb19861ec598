"""Compute outliers that a few bad clips do not change, and what many tests find. No torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = np.ndarray[Any, np.dtype[np.float64]]
MAD_TO_SD = 1.4826  # of a normal distribution


def robust_z(values_N: Sequence[float] | Floats, least: float) -> Floats:
    """Return each value's distance from the median in standard deviations, estimated by the MAD.

    `least` is the smallest standard deviation that is used: half of the values may be equal.
    """
    values = np.asarray(values_N, np.float64)
    if not len(values):
        return values
    distances = values - np.median(values)
    return distances / max(least, MAD_TO_SD * float(np.median(np.abs(distances))))


def discoveries(p_N: npt.ArrayLike, false_share: float) -> np.ndarray[Any, Any]:
    """Return whether each p value counts, so that at most a share of those that do are wrong.

    Benjamini and Hochberg 1995, "Controlling the false discovery rate", procedure (1).
    """
    p_values = np.asarray(p_N, np.float64)
    order = np.argsort(p_values, kind="stable")
    is_below = p_values[order] <= false_share * np.arange(1, len(order) + 1) / len(order)
    found = np.zeros(len(order), np.bool_)
    found[order[: int(np.flatnonzero(is_below).max(initial=-1)) + 1]] = True
    return found
