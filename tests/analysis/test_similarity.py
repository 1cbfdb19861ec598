"""The measures against their definitions, written here on whole matrices; N rows, D dimensions."""

from collections.abc import Callable

import numpy as np
import pytest

from mothertongue.analysis.similarity import Floats, Moments, cka, pwcca, svcca

Measure = Callable[[Floats, Floats], float]


def draw(rows: int, width: int, seed: int = 0) -> Floats:
    """Correlated dimensions of very different size, far from zero: as Whisper's states are."""
    rng = np.random.default_rng(seed)
    mixed_ND = rng.standard_normal((rows, width)) @ rng.standard_normal((width, width))
    return mixed_ND * np.geomspace(1, 20, width) + 50 * rng.standard_normal(width)


def related(rows: int = 400, widths: tuple[int, int] = (12, 9), seed: int = 0) -> tuple:
    """Two representations that share a part."""
    rng = np.random.default_rng(seed)
    x_ND = draw(rows, widths[0], seed)
    y_ND = x_ND @ rng.standard_normal(widths) + 60 * rng.standard_normal((rows, widths[1]))
    return x_ND, y_ND


def rotation(width: int, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.standard_normal((width, width)))[0]


def hsic_by_kernels(x_ND: Floats, y_ND: Floats) -> float:
    """Song et al. 2012's HSIC_1 as it is printed."""
    k_NN, l_NN = x_ND @ x_ND.T, y_ND @ y_ND.T
    np.fill_diagonal(k_NN, 0)
    np.fill_diagonal(l_NN, 0)
    n, one_N = len(x_ND), np.ones(len(x_ND))
    trace = np.trace(k_NN @ l_NN)
    middle = (one_N @ k_NN @ one_N) * (one_N @ l_NN @ one_N) / ((n - 1) * (n - 2))
    last = 2 / (n - 2) * (one_N @ k_NN @ l_NN @ one_N)
    return (trace + middle - last) / (n * (n - 3))


def cka_by_kernels(x_ND: Floats, y_ND: Floats) -> float:
    own = hsic_by_kernels(x_ND, x_ND) * hsic_by_kernels(y_ND, y_ND)
    return hsic_by_kernels(x_ND, y_ND) / np.sqrt(own)


def biased_cka(x_ND: Floats, y_ND: Floats) -> float:
    x_ND, y_ND = x_ND - x_ND.mean(0), y_ND - y_ND.mean(0)
    own = np.linalg.norm(x_ND.T @ x_ND) * np.linalg.norm(y_ND.T @ y_ND)
    return np.linalg.norm(x_ND.T @ y_ND) ** 2 / own


def svcca_by_svd(x_ND: Floats, y_ND: Floats) -> float:
    """Raghu et al. 2017: SVD of each centred matrix, 99 % of variance kept, then CCA."""
    bases = []
    for z_ND in (x_ND, y_ND):
        left_NK, values_K, _ = np.linalg.svd(z_ND - z_ND.mean(0), full_matrices=False)
        share_K = np.cumsum(values_K**2) / (values_K**2).sum()
        bases.append(left_NK[:, : int((share_K < 0.99).sum()) + 1])
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).mean()


def pwcca_by_qr(x_ND: Floats, y_ND: Floats) -> float:
    """Morcos et al. 2018: CCA by QR, each correlation weighted by sum_j |<h_i, x_j>|."""
    x_ND, y_ND = x_ND - x_ND.mean(0), y_ND - y_ND.mean(0)
    x_NK, y_NK = np.linalg.qr(x_ND)[0], np.linalg.qr(y_ND)[0]
    left_KK, correlations_K, _ = np.linalg.svd(x_NK.T @ y_NK, full_matrices=False)
    weights_K = np.abs((x_NK @ left_KK).T @ x_ND).sum(axis=1)
    return (correlations_K * weights_K).sum() / weights_K.sum()


each_measure = pytest.mark.parametrize("measure", [cka, svcca, pwcca])


@each_measure
def test_what_did_not_change_is_exactly_one(measure: Measure) -> None:
    x_ND = draw(101, 16).astype(np.float32)
    assert measure(x_ND, x_ND.copy()) == 1.0
    changed_ND = x_ND.copy()
    changed_ND[50, 3] = np.nextafter(changed_ND[50, 3], np.float32(np.inf))
    assert measure(x_ND, changed_ND) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("changed", [slice(0, 200), slice(200, 400)], ids=["first", "later"])
def test_one_batch_that_changed_counts(changed: slice) -> None:
    x_ND, other_ND = related(widths=(9, 9))
    y_ND = x_ND.copy()
    y_ND[changed] = other_ND[changed]
    moments = Moments()
    for rows in (slice(0, 200), slice(200, 400)):
        moments.update(x_ND[rows], y_ND[rows])
    assert not moments.is_same
    assert moments.cka() == pytest.approx(cka_by_kernels(x_ND, y_ND), abs=1e-10)
    assert moments.pwcca() == pytest.approx(pwcca_by_qr(x_ND, y_ND), abs=1e-8)


@pytest.mark.parametrize(("rows", "widths"), [(400, (12, 9)), (30, (8, 8)), (50, (64, 40))])
def test_measures_are_those_of_whole_matrices(rows: int, widths: tuple[int, int]) -> None:
    x_ND, y_ND = related(rows, widths)
    assert cka(x_ND, y_ND) == pytest.approx(cka_by_kernels(x_ND, y_ND), abs=1e-10)
    assert svcca(x_ND, y_ND) == pytest.approx(svcca_by_svd(x_ND, y_ND), abs=1e-8)
    if rows > sum(widths):  # else QR of more dimensions than rows is no basis of theirs
        assert pwcca(x_ND, y_ND) == pytest.approx(pwcca_by_qr(x_ND, y_ND), abs=1e-8)


@each_measure
def test_nothing_depends_on_the_size_of_batches(measure: Measure) -> None:
    x_ND, y_ND = related(500)
    whole = measure(x_ND, y_ND)
    for size in (1, 7, 499):
        moments = Moments()
        for i in range(0, len(x_ND), size):
            moments.update(x_ND[i : i + size], y_ND[i : i + size])
        assert getattr(moments, measure.__name__)() == pytest.approx(whole, abs=1e-10)


def test_moments_do_not_grow_with_rows() -> None:
    def held(moments: Moments) -> int:
        return sum(
            np.asarray(getattr(sums, name)).nbytes
            for sums in moments._sums or ()
            for name in sums.__slots__
        )

    moments = Moments()
    moments.update(*related(20))
    few = held(moments)
    moments.update(*related(5000))
    assert held(moments) == few > 0


@each_measure
def test_rotation_scale_and_shift_change_nothing(measure: Measure) -> None:
    x_ND, y_ND = related()
    before = measure(x_ND, y_ND)
    assert 0.05 < before < 0.95
    assert measure(x_ND, 7 * y_ND @ rotation(9) + 3) == pytest.approx(before, abs=1e-8)
    if measure is not pwcca:  # its weights are sums over x's own dimensions
        assert measure(0.01 * x_ND @ rotation(12) - 5, y_ND) == pytest.approx(before, abs=1e-8)


def test_pwcca_does_not_see_an_invertible_map_of_the_tuned_side_but_cka_does() -> None:
    x_ND, y_ND = related()
    stretched_ND = y_ND @ (rotation(9) * np.geomspace(1, 30, 9)) @ rotation(9, 1)
    assert pwcca(x_ND, stretched_ND) == pytest.approx(pwcca(x_ND, y_ND), abs=1e-8)
    assert abs(cka(x_ND, stretched_ND) - cka(x_ND, y_ND)) > 0.01


def test_canonical_correlations_do_not_see_an_invertible_map_of_either_side() -> None:
    # Of equal variance in all dimensions, so that both sides keep all of them before and after.
    rng = np.random.default_rng(0)
    x_ND = rng.standard_normal((400, 6))
    y_ND = x_ND + rng.standard_normal((400, 6))
    maps = [rotation(6, seed) * np.geomspace(1, 2, 6) @ rotation(6, seed + 9) for seed in (1, 2)]
    assert svcca(x_ND @ maps[0], y_ND @ maps[1]) == pytest.approx(svcca(x_ND, y_ND), abs=1e-8)


def test_independent_representations_are_near_zero_where_the_biased_cka_is_not() -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.standard_normal((2, 60, 100)) for _ in range(20)]
    debiased = [cka(x_ND, y_ND) for x_ND, y_ND in pairs]
    assert abs(np.mean(debiased)) < 0.02
    assert max(map(abs, debiased)) < 0.1
    assert min(biased_cka(x_ND, y_ND) for x_ND, y_ND in pairs) > 0.5


def test_digits_survive_a_mean_that_is_far_from_zero() -> None:
    x_ND, y_ND = related()
    assert cka(x_ND + 1e6, y_ND - 1e6) == pytest.approx(cka(x_ND, y_ND), abs=1e-6)


@each_measure
def test_a_constant_representation_is_like_nothing_but_itself(measure: Measure) -> None:
    x_ND, constant_ND = draw(50, 4), np.full((50, 4), 0.1)
    assert measure(x_ND, constant_ND) == measure(constant_ND, x_ND) == 0.0
    assert measure(constant_ND, constant_ND) == 1.0


def test_directions_without_variance_are_left_out() -> None:
    x_ND, y_ND = related()
    twice_ND = np.hstack([x_ND, x_ND])  # of rank 12 in 24 dimensions
    assert pwcca(twice_ND, y_ND) == pytest.approx(pwcca(x_ND, y_ND), abs=1e-7)


@each_measure
def test_different_or_too_few_rows_are_refused(measure: Measure) -> None:
    with pytest.raises(ValueError, match="5 rows and 6: expected the same rows"):
        measure(draw(5, 3), draw(6, 3))
    with pytest.raises(ValueError, match="3 rows: expected at least 4"):
        measure(draw(3, 3), draw(3, 3))
