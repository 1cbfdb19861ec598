"""Minibatch CKA of every pair of states against CKA over all rows, and where it must be exact."""

import numpy as np
import pytest

from mothertongue.analysis import heatmap
from mothertongue.analysis.heatmap import MINIBATCH_ROWS, HeatMap, hsic_table
from mothertongue.analysis.similarity import Floats, Moments, cka


def states(rows: int, width: int = 10, seed: int = 0) -> tuple[Floats, Floats]:
    """Three states before and after: the first unchanged, the others more and more changed."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99)  # the same whatever the rows
    x = [rng.standard_normal((rows, width)) * np.geomspace(1, 3, width)]
    for _ in range(2):
        new_ND = rng.standard_normal((rows, width))
        x.append(x[-1] @ mixing.standard_normal((width, width)) / 3 + new_ND)
    y = [
        x[0],
        x[1] + rng.standard_normal((rows, width)),
        x[2] + 3 * rng.standard_normal((rows, width)),
    ]
    return np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)


def mapped(x_SND: Floats, y_SND: Floats, clip_rows: int, seed: int = 0) -> HeatMap:
    found = HeatMap(len(x_SND), seed)
    for i in range(0, x_SND.shape[1], clip_rows):
        found.update(x_SND[:, i : i + clip_rows], y_SND[:, i : i + clip_rows])
    return found


def test_the_table_of_kernels_is_that_of_moments() -> None:
    x_SND, y_SND = states(60)
    table_SS = hsic_table(np.concatenate([x_SND, y_SND]))
    own_S = np.sqrt(np.diag(table_SS))
    for i in range(3):
        for j in range(3):
            value = table_SS[i, 3 + j] / own_S[i] / own_S[3 + j]
            assert value == pytest.approx(cka(x_SND[i], y_SND[j]), abs=1e-9)


@pytest.mark.parametrize("clip_rows", [50, 333, 9000])
def test_every_pair_is_close_to_cka_over_all_rows(clip_rows: int) -> None:
    x_SND, y_SND = states(9000)
    found = mapped(x_SND, y_SND, clip_rows)
    cka_SS = found.cka()
    assert found.minibatches in range(9000 // (2 * MINIBATCH_ROWS), 9000 // MINIBATCH_ROWS + 1)
    for i in range(3):
        for j in range(3):
            assert cka_SS[i, j] == pytest.approx(cka(x_SND[i], y_SND[j]), abs=0.02)
    assert cka_SS[2, 2] < cka_SS[1, 1] < 0.95


def test_exactly_one_where_a_state_did_not_change_and_only_there() -> None:
    cka_SS = mapped(*states(700), 100).cka()
    assert cka_SS[0, 0] == 1.0
    assert (cka_SS == 1.0).sum() == 1


def test_rows_that_resemble_each_other_within_a_clip_are_mixed() -> None:
    """Each clip has one mean, shared before and after: only between clips is there similarity."""
    rng = np.random.default_rng(0)
    clips = []
    for _ in range(60):
        mean_D = 4 * rng.standard_normal(8)
        clips.append(tuple(mean_D + rng.standard_normal((1, 256, 8)) for _ in range(2)))
    found, whole = HeatMap(1, 0), Moments()
    for x_1ND, y_1ND in clips:
        found.update(x_1ND, y_1ND)
        whole.update(x_1ND[0], y_1ND[0])
    assert whole.cka() > 0.8
    assert found.cka()[0, 0] == pytest.approx(whole.cka(), abs=0.05)


def test_memory_does_not_grow_with_rows() -> None:
    found = HeatMap(3, 0)
    held = []
    for i in range(100):
        found.update(*states(150, seed=i))
        held.append(sum(each.nbytes for each in found._pool))
    assert max(held[50:]) <= max(held[:50]) <= 6 * heatmap.POOL_ROWS * 10 * 4


def test_the_same_seed_gives_the_same_map() -> None:
    x_SND, y_SND = states(3000)
    first, again, other = (mapped(x_SND, y_SND, 100, seed).cka() for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_constant_state_is_like_nothing_but_itself() -> None:
    x_SND, y_SND = states(300)
    x_SND[1], y_SND[1:] = 0.1, 0.1
    cka_SS = mapped(x_SND, y_SND, 100).cka()
    assert cka_SS[1].tolist() == [0.0, 1.0, 0.0]
    assert cka_SS[:, 2].tolist() == [0.0, 0.0, 0.0]


def test_few_rows_are_one_minibatch_and_too_few_are_refused() -> None:
    x_SND, y_SND = states(20)
    found = mapped(x_SND, y_SND, 5)
    assert found.cka()[1, 1] == pytest.approx(cka(x_SND[1], y_SND[1]), abs=1e-9)
    assert found.minibatches == 1
    with pytest.raises(ValueError, match="fewer than 4 rows"):
        mapped(*states(3), 3).cka()
    with pytest.raises(ValueError, match="expected the same"):
        found.update(x_SND, y_SND[:, :19])
