"""Compute the similarity of two representations of the same rows: CKA, SVCCA, PWCCA. No torch.

All three follow from sums over the rows, so memory does not grow with them.
N rows (frames or tokens), D width (x and y may differ in it), K directions, all in float64.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]

MIN_ROWS = 4  # the unbiased HSIC divides by N (N - 3)
SVCCA_VARIANCE = 0.99  # Raghu et al. 2017
# Eigenvalues are squares: this drops directions below a millionth of the largest, about what a
# float32 activation can tell from nothing.
RANK_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the rows a_D, b_D of two representations."""

    rows: int
    a_D: Floats
    b_D: Floats
    ab_DD: Floats
    """a b'"""
    a2: float
    """|a|^2"""
    b2: float
    a2b2: float
    """|a|^2 |b|^2"""
    ab2_D: Floats
    """a |b|^2"""
    a2b_D: Floats

    def __add__(self, other: "Sums") -> "Sums":
        names = [field.name for field in fields(self)]
        return Sums(*(getattr(self, name) + getattr(other, name) for name in names))


class Moments:
    """Sums over the rows of a representation before and after, for all three measures."""

    def __init__(self) -> None:
        self.rows = 0
        self.is_same = True
        """Whether not one bit differed so far: then every measure is exactly 1."""
        self._sums: tuple[Sums, Sums, Sums] | None = None  # of xx, yy, xy
        self._origins: tuple[Floats, Floats] | None = None

    def update(self, x_ND: Floats, y_ND: Floats) -> None:
        """Add N rows. Raises ValueError where x and y differ in N."""
        if len(x_ND) != len(y_ND):
            raise ValueError(f"{len(x_ND)} rows and {len(y_ND)}: expected the same rows in both")
        if not len(x_ND):
            return
        x_ND, y_ND = x_ND.astype(np.float64), y_ND.astype(np.float64)
        self.rows += len(x_ND)
        self.is_same = self.is_same and np.array_equal(x_ND, y_ND)
        if self._origins is None:
            self._origins = _middle(x_ND), _middle(y_ND)
        # No measure depends on the origin, but float64 does: Whisper has dimensions far from 0.
        x_ND, y_ND = x_ND - self._origins[0], y_ND - self._origins[1]
        xx = _sums(x_ND, x_ND)
        new = (xx, xx, xx) if self.is_same else (xx, _sums(y_ND, y_ND), _sums(x_ND, y_ND))
        old = self._sums
        self._sums = (old[0] + new[0], old[1] + new[1], old[2] + new[2]) if old else new

    def cka(self) -> float:
        """Return linear CKA from the unbiased HSIC, at most 1; 0 if one of them is constant.

        It does not change when x or y is rotated, scaled or shifted. Kornblith et al. 2019, sec. 3,
        debiased as in Nguyen et al. 2021. Independent representations give 0 on average, so single
        values may be below it.
        """
        xx, yy, xy = self._enough()
        if self.is_same:
            return 1.0
        own_x, own_y = unbiased_hsic(xx), unbiased_hsic(yy)
        if min(own_x, own_y) <= 0:
            return 0.0
        return unbiased_hsic(xy) / (math.sqrt(own_x) * math.sqrt(own_y))

    def svcca(self) -> float:
        """Return the mean canonical correlation of directions with 99 % of the variance, in [0, 1].

        It does not change when x or y is rotated, scaled or shifted, nor under any other invertible
        linear map that keeps these directions. Raghu et al. 2017. The rows must outnumber the
        directions by far: with few rows it is close to 1 whatever the data.
        """
        found = self._canonical(SVCCA_VARIANCE)
        if self.is_same:
            return 1.0
        return float(found.correlations_K.mean()) if len(found.correlations_K) else 0.0

    def pwcca(self) -> float:
        """Return the canonical correlations weighted by their share of x, in [0, 1].

        The weight of direction h is the sum over x's dimensions j of |<h, x_j>|: Morcos et al.
        2018. It does not change under any invertible linear map of y. As with SVCCA, the rows must
        outnumber the dimensions by far.
        """
        found = self._canonical(1.0)
        if self.is_same:
            return 1.0
        total = found.weights_K.sum()
        return float(found.correlations_K @ found.weights_K / total) if total else 0.0

    def _canonical(self, share: float) -> "Canonical":
        xx, yy, xy = self._enough()
        return canonical(covariance(xx), covariance(yy), covariance(xy), share)

    def _enough(self) -> tuple[Sums, Sums, Sums]:
        if self._sums is None or self.rows < MIN_ROWS:
            raise ValueError(f"{self.rows} rows: expected at least {MIN_ROWS}; take more clips")
        return self._sums


def cka(x_ND: Floats, y_ND: Floats) -> float:
    """Return `Moments.cka` of two arrays. Raises ValueError if N differs or is below 4."""
    return _moments(x_ND, y_ND).cka()


def svcca(x_ND: Floats, y_ND: Floats) -> float:
    """Return `Moments.svcca` of two arrays. Raises ValueError if N differs or is below 4."""
    return _moments(x_ND, y_ND).svcca()


def pwcca(x_ND: Floats, y_ND: Floats) -> float:
    """Return `Moments.pwcca` of two arrays. Raises ValueError if N differs or is below 4."""
    return _moments(x_ND, y_ND).pwcca()


def unbiased_hsic(sums: Sums) -> float:
    """Return the unbiased HSIC of two linear kernels, A A' and B B' with zeroed diagonals.

    [tr(KL) + 1'K1 1'L1 / ((N-1)(N-2)) - 2 1'KL1 / (N-2)] / (N (N-3)): HSIC_1 of Song et al. 2012,
    each term written with sums over the rows in place of the N x N kernels.
    """
    n = sums.rows
    trace = float((sums.ab_DD**2).sum()) - sums.a2b2
    all_k = sums.a_D @ sums.a_D - sums.a2
    all_l = sums.b_D @ sums.b_D - sums.b2
    product = sums.a_D @ sums.ab_DD @ sums.b_D + sums.a2b2
    product -= sums.a_D @ sums.ab2_D + sums.a2b_D @ sums.b_D
    terms = trace + all_k * all_l / ((n - 1) * (n - 2)) - 2 * product / (n - 2)
    return float(terms / (n * (n - 3)))


def covariance(sums: Sums) -> Floats:
    """Return the sum over rows of (a - mean a)(b - mean b)', (D, D)."""
    centred_DD: Floats = sums.ab_DD - np.outer(sums.a_D, sums.b_D) / sums.rows
    return centred_DD


@dataclass(frozen=True, slots=True)
class Canonical:
    """The canonical directions of x and y, the most correlated first."""

    correlations_K: Floats
    weights_K: Floats
    """The sum over x's dimensions of |<direction, dimension>|."""


def canonical(xx_DD: Floats, yy_DD: Floats, xy_DD: Floats, share: float) -> Canonical:
    """Return canonical correlations of the main directions of x and y, from their covariances.

    Kept are the directions of largest variance that together hold a `share` of it, less those of
    no variance at all.
    """
    x_DK, y_DK = _whitening(xx_DD, share), _whitening(yy_DD, share)
    turn_KK, correlations_K, _ = np.linalg.svd(x_DK.T @ xy_DD @ y_DK, full_matrices=False)
    directions_DK = x_DK @ turn_KK
    return Canonical(correlations_K.clip(0, 1), np.abs(directions_DK.T @ xx_DD).sum(axis=1))


def _whitening(covariance_DD: Floats, share: float) -> Floats:
    """Return w_DK: the columns of x w are orthonormal and span x's main directions."""
    values_D, vectors_DD = np.linalg.eigh(covariance_DD)
    values_D, vectors_DD = values_D[::-1].clip(min=0), vectors_DD[:, ::-1]
    before_D = np.cumsum(values_D) - values_D  # the variance of all larger directions
    keep_D = (before_D < share * values_D.sum()) & (values_D > RANK_TOLERANCE * values_D[0])
    whitening_DK: Floats = vectors_DD[:, keep_D] / np.sqrt(values_D[keep_D])
    return whitening_DK


def _moments(x_ND: Floats, y_ND: Floats) -> Moments:
    moments = Moments()
    moments.update(x_ND, y_ND)
    return moments


def _middle(x_ND: Floats) -> Floats:
    """Return the mean row; for a constant representation, exactly that constant."""
    middle_D: Floats = x_ND[0] + (x_ND - x_ND[0]).mean(axis=0)
    return middle_D


def _sums(a_ND: Floats, b_ND: Floats) -> Sums:
    a2_N, b2_N = (a_ND**2).sum(axis=1), (b_ND**2).sum(axis=1)
    return Sums(
        rows=len(a_ND),
        a_D=a_ND.sum(axis=0),
        b_D=b_ND.sum(axis=0),
        ab_DD=a_ND.T @ b_ND,
        a2=float(a2_N.sum()),
        b2=float(b2_N.sum()),
        a2b2=float(a2_N @ b2_N),
        ab2_D=b2_N @ a_ND,
        a2b_D=a2_N @ b_ND,
    )
