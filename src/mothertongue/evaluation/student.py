"""Student's t distribution for any degrees of freedom from 1 on."""

from functools import lru_cache

import numpy as np

from mothertongue.evaluation.metrics import Floats


def student_p(t: float, freedom: float) -> float:
    """Return the two-sided p: how often Student's t is further from zero than t."""
    angles, below = _shares(freedom)
    return float(1 - np.interp(np.arctan(t / freedom**0.5), angles, below))


def student_quantile(freedom: float, share: float = 0.95) -> float:
    """Return the distance from zero within which a share of Student's t lies."""
    angles, below = _shares(freedom)
    return float(freedom**0.5 * np.tan(np.interp(share, below, angles)))


@lru_cache(maxsize=8)
def _shares(freedom: float) -> tuple[Floats, Floats]:
    """Return angles from 0 to pi / 2, and the share of |t| = sqrt(freedom) * tan(angle) below each.

    The density of the angle is proportional to cos(angle) ** (freedom - 1).
    """
    angles = np.linspace(0.0, np.pi / 2, 2001)
    heights = np.cos(angles) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum(heights[1:] + heights[:-1])])
    return angles, below / below[-1]
