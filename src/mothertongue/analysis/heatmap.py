"""Compute CKA between all states before and after tuning, from minibatches. No torch.

Nguyen, Raghu, Kornblith 2021: the unbiased HSIC is averaged over minibatches, and an average of
unbiased estimates is one of the whole, whatever the size of the minibatches.
S states, N rows (frames or tokens), D width.
"""

import numpy as np

from mothertongue.analysis.similarity import MIN_ROWS, Floats

MINIBATCH_ROWS = 256  # Nguyen et al. 2021
POOL_ROWS = 8 * MINIBATCH_ROWS


class HeatMap:
    """Sums of the HSIC of every pair of states, over minibatches from a pool of recent rows.

    The frames of one clip resemble each other, and minibatches should be drawn from all of them.
    The pool mixes several clips: when it is full, half of it, at random, becomes minibatches.
    """

    def __init__(self, num_states: int, seed: int) -> None:
        self.minibatches = 0
        self._rng = np.random.default_rng(seed)
        self._pool: list[Floats] = []  # of before and after, concatenated along S
        self._is_same_S = np.ones(num_states, dtype=bool)
        self._hsic_SS = np.zeros((2 * num_states, 2 * num_states))

    def update(self, x_SND: Floats, y_SND: Floats) -> None:
        """Add N rows of all states before and after. Raises ValueError where the shapes differ."""
        if x_SND.shape != y_SND.shape:
            raise ValueError(f"shapes {x_SND.shape} and {y_SND.shape}: expected the same")
        self._is_same_S &= (x_SND == y_SND).all(axis=(1, 2))
        self._pool.append(np.concatenate([x_SND, y_SND]))
        if sum(each.shape[1] for each in self._pool) >= POOL_ROWS:
            self._drain(keep=POOL_ROWS // 2)

    def cka(self) -> Floats:
        """Return cka_SS, before in rows, after in columns; exactly 1 if a state did not change.

        0 where a state is constant. Raises ValueError where there were fewer than 4 rows.
        """
        if self._pool:
            self._drain(keep=0)
        if not self.minibatches:
            raise ValueError(f"fewer than {MIN_ROWS} rows; take more clips")
        num_states = len(self._is_same_S)
        own_S = np.sqrt(np.diag(self._hsic_SS).clip(min=0))
        scale_SS = np.outer(own_S[:num_states], own_S[num_states:])
        cross_SS = self._hsic_SS[:num_states, num_states:]
        cka_SS = np.divide(cross_SS, scale_SS, out=np.zeros_like(scale_SS), where=scale_SS > 0)
        np.fill_diagonal(cka_SS, np.where(self._is_same_S, 1.0, np.diag(cka_SS)))
        return cka_SS

    def _drain(self, keep: int) -> None:
        """Use all but `keep` rows in minibatches of 256 rows or a little more, in random order.

        Only where all rows together are fewer is there one smaller minibatch.
        """
        pool_SND = np.concatenate(self._pool, axis=1)
        order_N = self._rng.permutation(pool_SND.shape[1])
        taken_N, kept_N = order_N[keep:], order_N[:keep]
        self._pool = [pool_SND[:, kept_N]] if keep else []
        for rows_N in np.array_split(taken_N, max(1, len(taken_N) // MINIBATCH_ROWS)):
            if len(rows_N) >= MIN_ROWS:
                self._hsic_SS += hsic_table(pool_SND[:, rows_N])
                self.minibatches += 1


def hsic_table(x_SND: Floats) -> Floats:
    """Return the unbiased HSIC of every pair of states, (S, S), from their N x N kernels.

    Equal to `unbiased_hsic` of each pair; for few rows and many pairs this is the cheaper way.
    """
    x_SND = x_SND.astype(np.float64)
    x_SND -= x_SND[:, :1]  # exactly 0 where a state is constant
    x_SND -= x_SND.mean(axis=1, keepdims=True)  # changes no value, keeps digits
    kernels_SNN = x_SND @ x_SND.transpose(0, 2, 1)
    num_states, n, _ = kernels_SNN.shape
    kernels_SNN[:, range(n), range(n)] = 0
    flat_SK, sums_SN = kernels_SNN.reshape(num_states, n * n), kernels_SNN.sum(axis=2)
    all_S = sums_SN.sum(axis=1)
    trace_SS, product_SS = flat_SK @ flat_SK.T, sums_SN @ sums_SN.T
    terms_SS = trace_SS + np.outer(all_S, all_S) / ((n - 1) * (n - 2)) - 2 * product_SS / (n - 2)
    table_SS: Floats = terms_SS / (n * (n - 3))
    return table_SS
