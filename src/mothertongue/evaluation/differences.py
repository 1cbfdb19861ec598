"""Test whether systems differ: a hierarchical bootstrap over seeds x speakers, with Holm.

A difference between two strategies would change with the seeds that were drawn and with the people
or sentences that were recorded. Each draw therefore takes seeds of either strategy and units of the
test set (see `units`) with replacement. The draws give the standard error of the difference; its
interval and p are Student's t, for two or three seeds show too little of the tails to count draws
in them. Bisani and Ney 2004 (drawing units); Davison and Hinkley 1997, sec. 3.8 (hierarchical) and
5.2.1 (studentized); Owen 2007, "The pigeonhole bootstrap" (drawing rows and columns is
conservative, never the opposite); Bouthillier et al. 2021, "Accounting for variance in machine
learning benchmarks" (why seeds count).

tests/evaluation/test_false_positives.py simulates the share of differences that are none.

Shape legend: N clips, U units, S seeds, R draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from mothertongue.evaluation.metrics import (
    Counts,
    Floats,
    resampled_totals,
    sentences,
    sign_flip_bound,
    sum_by_group,
)
from mothertongue.evaluation.normalizers import Normalizer
from mothertongue.evaluation.rates import Interval, UtteranceRow
from mothertongue.evaluation.student import student_p, student_quantile

Kind = Literal["speakers", "sentences", "clips"]
Pair = tuple[str, str]
ErrorsSN = npt.NDArray[np.int64]
"""The errors of one system: a row a seed, a column a clip."""

DRAWS = 2000
"""The standard error of so many draws is itself sure to 1 / sqrt(2 * 2000) = 1.6 %."""
FEWEST_SPEAKERS = 8
"""Below so many speakers sentences are drawn. With 8 equal ones no exact test gives a p below
2 / 2**8 = 0.008, which leaves room for six comparisons at 0.05; with 4 it is 0.125."""
SMALLEST_P = 1e-4
"""Further out p would rest on the shape of Student's t alone."""


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a test set: a key for each clip; clips of one key are drawn together."""

    kind: Kind
    of_clip_N: tuple[object, ...]
    num_speakers: int
    """How many speakers are known."""

    @property
    def count(self) -> int:
        return len(set(self.of_clip_N))


@dataclass(frozen=True, slots=True)
class Difference:
    """The rate of b minus the rate of a on the same clips: below zero, b makes fewer errors.

    `p` is two-sided, of this comparison alone; `p_holm` is adjusted for all comparisons that were
    made at once. Both are None between strategies where one has a single seed. `over_seeds`:
    whether interval and p say how other seeds would vary it; else they hold for these runs alone.
    """

    difference: float
    interval95: Interval
    p: float | None
    p_holm: float | None
    over_seeds: bool


def units(rows: Sequence[UtteranceRow], lengths_N: Counts, normalize: Normalizer) -> Units:
    """Return the speakers of a test set as units if enough are known, else its sentences.

    Clips with the same reference text are one sentence, whoever reads it, as in FLEURS; `kind` is
    "clips" where no two clips share one. A clip whose speaker is unknown, among known ones, is
    drawn by its sentence. Enough: half of the clips have a speaker, and the speakers are worth
    FEWEST_SPEAKERS of equal length.
    """
    texts = sentences([normalize(row.reference) for row in rows])
    names = [row.speaker for row in rows]
    known = len(set(names) - {None})
    keys = [text if name is None else (name,) for name, text in zip(names, texts, strict=True)]
    if 2 * names.count(None) <= len(names) and _worth(lengths_N, keys) >= FEWEST_SPEAKERS:
        return Units("speakers", tuple(keys), known)
    kind: Kind = "clips" if len(set(texts)) == len(texts) else "sentences"
    return Units(kind, tuple(texts), known)


def differences(
    systems: Mapping[str, ErrorsSN],
    lengths_N: Counts,
    drawn: Units,
    pairs: Sequence[Pair],
    base: str | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[Pair, Difference]:
    """Return the difference of each pair (a, b) of systems, with p adjusted for all pairs.

    `base` names the system that was not trained: it has no seeds to vary. Against it a system with
    one seed has a p, which holds for that run alone.
    """
    lengths_U, arms = _drawn_systems(systems, lengths_N, drawn.of_clip_N, base, seed, draws)
    found = {(a, b): _difference((arms[a], arms[b]), lengths_U) for a, b in pairs}
    tested = {pair: each.p for pair, each in found.items() if each.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {pair: replace(each, p_holm=adjusted.get(pair)) for pair, each in found.items()}


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust the p values of several comparisons, so that one false positive among all of them is
    as rare as the level says. Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted = [1.0] * len(ps)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = highest
    return adjusted


@dataclass(frozen=True, slots=True)
class _System:
    """One side of a comparison: its errors, and its mean rate by draw of the units; in `drawn_R`
    the seeds are drawn too."""

    errors_SU: Floats
    mean_R: Floats
    drawn_R: Floats
    is_base: bool

    @property
    def seeds(self) -> int:
        return len(self.errors_SU)

    @property
    def has_spread(self) -> bool:
        return not self.is_base and self.seeds > 1


def _drawn_systems(
    systems: Mapping[str, ErrorsSN],
    lengths_N: Counts,
    of_clip_N: Sequence[object],
    base: str | None,
    seed: int,
    draws: int,
) -> tuple[Floats, dict[str, _System]]:
    """Return the units' lengths, and each system's rates on the same draws of units."""
    columns_NC = np.column_stack([lengths_N, *(errors_SN.T for errors_SN in systems.values())])
    columns_UC = sum_by_group(columns_NC.astype(np.float64), of_clip_N)
    totals_RC = resampled_totals(columns_UC, None, seed, draws)
    rates_RC = totals_RC / np.maximum(totals_RC[:, :1], 1.0)
    arms, first = {}, 1  # the first column is the length
    for name, errors_SN in systems.items():
        own = slice(first, first + len(errors_SN))
        mean_R, drawn_R = _by_draw(rates_RC[:, own], np.random.default_rng([seed, first]))
        arms[name] = _System(columns_UC[:, own].T, mean_R, drawn_R, name == base)
        first = own.stop
    return columns_UC[:, 0], arms


def _by_draw(rates_RS: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return, for each draw, the mean rate of the seeds and of seeds drawn with replacement.

    The drawn seeds' distances to the mean are widened by sqrt(S / (S - 1)): of three seeds, three
    drawn with replacement spread by 2/3 of the variance that three new ones would.
    """
    seeds = rates_RS.shape[1]
    mean_R: Floats = rates_RS.mean(axis=1)
    if seeds == 1:
        return mean_R, mean_R
    chosen_RS = random.integers(seeds, size=rates_RS.shape)
    drawn_R: Floats = np.take_along_axis(rates_RS, chosen_RS, axis=1).mean(axis=1)
    wider: float = (seeds / (seeds - 1)) ** 0.5
    return mean_R, mean_R + wider * (drawn_R - mean_R)


def _difference(arms: Sequence[_System], lengths_U: Floats) -> Difference:
    length = lengths_U.sum()
    before_U, after_U = (arm.errors_SU.mean(axis=0) for arm in arms)
    change_U = after_U - before_U
    change = float(change_U.sum() / length)
    worth = float(length**2 / (lengths_U**2).sum())
    over_seeds = all(arm.has_spread or arm.is_base for arm in arms)
    is_tested = over_seeds or any(arm.is_base for arm in arms)
    a_R, b_R = (arm.drawn_R if over_seeds else arm.mean_R for arm in arms)
    if worth <= 1:  # one unit has no spread
        return Difference(change, (change, change), 1.0 if is_tested else None, None, over_seeds)
    # Drawing n of n with replacement spreads by (n - 1) / n too little.
    variance = float((b_R - a_R).var()) * worth / (worth - 1)
    freedom = _freedom(variance, [arm for arm in arms if over_seeds], length, worth)
    error = variance**0.5
    reach = student_quantile(freedom) * error
    p = student_p(abs(change) / error, freedom) if error else float(change == 0)
    p = min(1.0, max(p, SMALLEST_P, sign_flip_bound(change_U)))
    around = (change - reach, change + reach)
    return Difference(change, around, p if is_tested else None, None, over_seeds)


def _freedom(variance: float, arms: Sequence[_System], length: float, worth: float) -> float:
    """Return the degrees of freedom of a variance with parts from each arm's seeds and from units.

    Satterthwaite 1946. Where one of two strategies has only two seeds, they are at most those of
    the seeds: two seeds may by chance be almost alike, and the many units would then pass for many
    seeds (simulated false positives at 0.05, 2 seeds of the strategy that varies more against 3:
    11 % without this bound, 6 % with it).
    """
    spread = [arm for arm in arms if arm.has_spread]
    parts = [float((arm.errors_SU.sum(axis=1) / length).var(ddof=1)) / arm.seeds for arm in spread]
    rest = max(variance - sum(parts), 0.0)
    counted = [(part, arm.seeds - 1) for part, arm in zip(parts, spread, strict=True)]
    squares = sum(part**2 / n for part, n in [*counted, (rest, worth - 1)])
    found = variance**2 / squares if squares else worth - 1
    if len(spread) == 2 and min(arm.seeds for arm in spread) == 2:
        found = min(found, sum(arm.seeds - 1 for arm in spread))
    return max(1.0, found)


def _worth(lengths_N: Counts, keys: Sequence[object]) -> float:
    """Return the effective number of units of equal length (Kish 1965)."""
    lengths_U = sum_by_group(np.asarray(lengths_N, dtype=np.float64)[:, None], keys)
    return float(lengths_U.sum() ** 2 / max((lengths_U**2).sum(), 1.0))
