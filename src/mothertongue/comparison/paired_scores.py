"""Compute the scores of systems on one set of clips, and their differences.

The rows are those of the scores that a run left. Rates are ratios.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import stdev

import numpy as np

from mothertongue.comparison.schema import (
    Pareto,
    RunCost,
    Scores,
    SeedScore,
    StrategyRow,
    SystemDifference,
)
from mothertongue.data.languages import Measure
from mothertongue.evaluation.differences import Difference, Kind, Pair, differences, units
from mothertongue.evaluation.error_analysis import ErrorKinds, error_kinds
from mothertongue.evaluation.metrics import (
    Integers,
    UtteranceErrors,
    bootstrap_interval,
    sentences,
    utterance_errors,
)
from mothertongue.evaluation.normalizers import NORMALIZERS, normalizer
from mothertongue.evaluation.rates import Interval, UtteranceRow
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.run_dir import TEST_SCORES
from mothertongue.system.json_files import field_values, read_json

PRIMARY_NORMALIZER = "strict"
"""The normalizer under which strategies are compared."""
BASE = ""
"""The base among the systems that are compared: no strategy has such a name."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The rows of one system on one set, a list for each seed: the same clips in the same order."""

    by_seed: tuple[list[UtteranceRow], ...]

    def errors(self, name: str) -> list[UtteranceErrors]:
        """Return the counts of each seed under a normalizer."""
        return [utterance_errors(rows, normalizer(name)) for rows in self.by_seed]

    def scores(self) -> Scores:
        """Return WER and CER under each normalizer, over all seeds and for each seed."""
        return {
            name: _pooled(self.errors(name), sentences(self._references(name)))
            for name in NORMALIZERS
        }

    def _references(self, name: str) -> list[str]:
        return [normalizer(name)(row.reference) for row in self.by_seed[0]]

    def error_kinds(self) -> ErrorKinds:
        """Return the errors by kind over all seeds."""
        return error_kinds(self.by_seed, normalizer(PRIMARY_NORMALIZER))


def read_scores(paths: Sequence[Path]) -> Scored:
    return Scored(tuple(read_json(path, SplitScores).utterances for path in paths))


def with_differences(
    rows: Sequence[StrategyRow],
    found: Mapping[str, Mapping[str, Scored]],
    reference: str,
    base: Mapping[str, Scored],
    measure: Measure,
) -> list[StrategyRow]:
    """Compare each row with the base, the reference and the lowest rate on its test split,
    and with the base on each other set.

    `found` has the scores of each strategy on each set. On the test split p is adjusted for all
    pairs of systems, since which of them is the lowest is only known afterwards.
    """
    if not rows:
        return []
    own_base = {BASE: base[TEST_SCORES]} if TEST_SCORES in base else {}
    systems = own_base | {name: sets[TEST_SCORES] for name, sets in found.items()}
    own = _compared(systems, list(combinations(systems, 2)), measure)
    best = min(rows, key=lambda row: row.scores[PRIMARY_NORMALIZER].rate(measure)).strategy
    others = {}
    for other in rows[0].also:
        systems = {BASE: base[other]} | {name: sets[other] for name, sets in found.items()}
        others[other] = _compared(systems, [(BASE, name) for name in found], measure)
    return [
        replace(
            row,
            vs_base=own.get((BASE, row.strategy)),
            vs_reference=own.get((reference, row.strategy)),
            vs_best=own.get((best, row.strategy)),
            also={
                other: replace(each, vs_base=others[other][BASE, row.strategy])
                for other, each in row.also.items()
            },
        )
        for row in rows
    ]


def difference_to_seeds(seeds: Scored, average: Scored, measure: Measure) -> SystemDifference:
    """Return the rate of an average minus the mean rate of the seeds, on the same clips.

    It has no p: the average is one model, so nothing shows how other seeds would change it.
    """
    return _compared({"seeds": seeds, "average": average}, [("seeds", "average")], measure)[
        "seeds", "average"
    ]


def on_fronts(rates: Sequence[float], costs: Sequence[RunCost]) -> list[Pareto]:
    """Return whether each system is on the Pareto fronts of its rate and of its costs."""
    sizes = pareto_front([(x, y.trainable_parameters) for x, y in zip(rates, costs, strict=True)])
    times = pareto_front([(x, y.wall_s) for x, y in zip(rates, costs, strict=True)])
    return [Pareto(*each) for each in zip(sizes, times, strict=True)]


def _compared(
    systems: Mapping[str, Scored], pairs: Sequence[Pair], measure: Measure
) -> dict[Pair, SystemDifference]:
    """Return the difference of each pair, under both orders of its names."""
    if not pairs:
        return {}
    errors = {name: _errors(each, measure) for name, each in systems.items()}
    lengths_N = next(iter(errors.values()))[1]
    drawn = units(
        next(iter(systems.values())).by_seed[0], lengths_N, normalizer(PRIMARY_NORMALIZER)
    )
    arms = {name: errors_SN for name, (errors_SN, _) in errors.items()}
    found = differences(arms, lengths_N, drawn, pairs, base=BASE)
    count = sum(each.p is not None for each in found.values())
    facts = measure, drawn.kind, drawn.count, drawn.num_speakers, count
    forth = {pair: _system_difference(each, *facts) for pair, each in found.items()}
    return forth | {(b, a): _exchanged(each) for (a, b), each in forth.items()}


def _system_difference(
    found: Difference, measure: Measure, drawn: Kind, num_drawn: int, num_speakers: int, count: int
) -> SystemDifference:
    return SystemDifference(
        **field_values(found),
        measure=measure,
        drawn=drawn,
        num_drawn=num_drawn,
        num_speakers=num_speakers,
        comparisons=count,
    )


def _exchanged(found: SystemDifference) -> SystemDifference:
    low, high = found.interval95
    return replace(found, difference=-found.difference, interval95=(-high, -low))


def _errors(scored: Scored, measure: Measure) -> tuple[Integers, Integers]:
    """Return errors of each seed and clip, and the clips' lengths, in words or characters."""
    found = scored.errors(PRIMARY_NORMALIZER)
    if measure == "wer":
        return np.stack([each.word_errors_N for each in found]), found[0].words_N
    return np.stack([each.character_errors_N for each in found]), found[0].characters_N


def _pooled(errors: Sequence[UtteranceErrors], texts_N: Sequence[object]) -> SeedScore:
    """Return rates over all seeds. The intervals draw sentences with all clips and seeds."""
    words_N, characters_N = errors[0].words_N, errors[0].characters_N
    wers_SN = np.stack([each.word_errors_N for each in errors])
    cers_SN = np.stack([each.character_errors_N for each in errors])
    wer, interval95, wers = _rates(wers_SN, words_N, texts_N)
    cer, cer_interval95, cers = _rates(cers_SN, characters_N, texts_N)
    return SeedScore(
        wer=wer,
        interval95=interval95,
        cer=cer,
        cer_interval95=cer_interval95,
        n=len(words_N),
        words=int(words_N.sum()),
        characters=int(characters_N.sum()),
        by_seed=wers,
        sd_over_seeds=stdev(wers) if len(wers) > 1 else None,
        cer_by_seed=cers,
        cer_sd_over_seeds=stdev(cers) if len(cers) > 1 else None,
    )


def _rates(
    errors_SN: Integers, lengths_N: Integers, texts_N: Sequence[object]
) -> tuple[float, Interval, list[float]]:
    """Return the rate over all seeds, its interval, and the rate of each seed."""
    errors_N, all_lengths_N = errors_SN.sum(axis=0), len(errors_SN) * lengths_N
    rate = float(errors_N.sum() / all_lengths_N.sum())
    by_seed = [float(errors_N.sum() / lengths_N.sum()) for errors_N in errors_SN]
    return rate, bootstrap_interval(errors_N, all_lengths_N, texts_N), by_seed


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each point whether no other is at least as low in both and lower in one."""
    return [
        not any(a <= x and b <= y and (a, b) != (x, y) for j, (a, b) in enumerate(points) if j != i)
        for i, (x, y) in enumerate(points)
    ]
