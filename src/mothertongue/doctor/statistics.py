"""Compute outliers and levels of chance that a few bad clips do not change. No torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
MAD_TO_SD = 1.4826  # of a normal distribution
GUMBEL_IQR = 1.5725  # its interquartile range in units of its scale: ln(ln 4 / ln(4/3))


def robust_z(values_N: Sequence[float] | Floats, least: float) -> Floats:
    """Return each value's distance from the median in standard deviations, estimated by the MAD.

    `least` is the smallest standard deviation that is used: half of the values may be equal.
    """
    values = np.asarray(values_N, np.float64)
    if not len(values):
        return values
    distances = values - np.median(values)
    return distances / max(least, MAD_TO_SD * float(np.median(np.abs(distances))))


def chance_level(maxima_N: Sequence[float] | Floats, alpha: float) -> float:
    """Return the level that the largest of many unrelated values exceeds with probability `alpha`.

    `maxima_N` are such largest values. A Gumbel distribution, the limit of maxima, is fitted to
    their quartiles, so a few related values among them do not matter.
    """
    lower, middle, upper = np.quantile(np.asarray(maxima_N, np.float64), (0.25, 0.5, 0.75))
    scale = (upper - lower) / GUMBEL_IQR
    mode = middle + scale * np.log(np.log(2))
    return float(mode - scale * np.log(-np.log1p(-alpha)))
