"""Compute the scores of systems on one set of clips, and their differences.

Rows are those of Evaluation.rows(), read from the scores that a run left. Rates are ratios.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np

from mothertongue.data.languages import Measure
from mothertongue.evaluation.differences import Difference, Pair, differences, units
from mothertongue.evaluation.error_analysis import error_kinds
from mothertongue.evaluation.metrics import (
    Integers,
    UtteranceErrors,
    bootstrap_interval,
    sentences,
    utterance_errors,
)
from mothertongue.evaluation.normalizers import NORMALIZERS, normalizer
from mothertongue.experiment.records import Scores
from mothertongue.experiment.run_dir import TEST_SCORES
from mothertongue.system.json_files import read_json

Json = dict[str, Any]
PRIMARY_NORMALIZER = "strict"
"""The normalizer under which strategies are compared."""
BASE = ""
"""The base among the systems that are compared: no strategy has such a name."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The rows of one system on one set, a list for each seed: the same clips in the same order."""

    by_seed: tuple[list[Json], ...]

    def errors(self, name: str) -> list[UtteranceErrors]:
        """Return the counts of each seed under a normalizer."""
        return [utterance_errors(rows, normalizer(name)) for rows in self.by_seed]

    def scores(self) -> Json:
        """Return WER and CER under each normalizer, over all seeds and for each seed."""
        return {
            name: _pooled(self.errors(name), sentences(self._references(name)))
            for name in NORMALIZERS
        }

    def _references(self, name: str) -> list[str]:
        return [normalizer(name)(row["reference"]) for row in self.by_seed[0]]

    def error_kinds(self) -> Json:
        """Return the errors by kind over all seeds, as `error_analysis.error_kinds` counts them."""
        return error_kinds(self.by_seed, normalizer(PRIMARY_NORMALIZER))


def read_scores(paths: Sequence[Path]) -> Scored:
    return Scored(tuple(read_json(path, Scores)["utterances"] for path in paths))


def with_differences(
    rows: list[Json],
    found: Mapping[str, Mapping[str, Scored]],
    reference: str,
    base: Mapping[str, Scored],
    measure: Measure,
) -> list[Json]:
    """Compare each row with the base, the reference and the lowest rate on its test split,
    and with the base on each other set.

    `found` has the scores of each strategy on each set. On the test split p is adjusted for all
    pairs of systems, since which of them is the lowest is only known afterwards.
    """
    own_base = {BASE: base[TEST_SCORES]} if TEST_SCORES in base else {}
    systems = own_base | {name: sets[TEST_SCORES] for name, sets in found.items()}
    own = _compared(systems, list(combinations(systems, 2)), measure)
    best = min(
        rows, key=lambda row: float(row["scores"][PRIMARY_NORMALIZER][measure]), default=None
    )
    for row in rows:
        name = row["strategy"]
        row["vs_base"] = own.get((BASE, name))
        row["vs_reference"] = own.get((reference, name))
        row["vs_best"] = own.get((best["strategy"], name)) if best else None
    for other in rows[0]["also"] if rows else ():
        systems = {BASE: base[other]} | {name: sets[other] for name, sets in found.items()}
        against = _compared(systems, [(BASE, name) for name in found], measure)
        for row in rows:
            row["also"][other]["vs_base"] = against[BASE, row["strategy"]]
    return rows


def difference_to_seeds(seeds: Scored, average: Scored, measure: Measure) -> Json:
    """Return the rate of an average minus the mean rate of the seeds, on the same clips.

    It has no p: the average is one model, so nothing shows how other seeds would change it.
    """
    return _compared({"seeds": seeds, "average": average}, [("seeds", "average")], measure)[
        "seeds", "average"
    ]


def mark_fronts(rows: list[Json], measure: Measure) -> None:
    """Mark in each row whether it is on the Pareto fronts of its rate and of its costs."""
    for name, cost in (("parameters", "trainable_parameters"), ("time", "wall_s")):
        front = pareto_front(
            [(row["scores"][PRIMARY_NORMALIZER][measure], row[cost]) for row in rows]
        )
        for row, is_on_it in zip(rows, front, strict=True):
            row.setdefault("pareto", {})[name] = is_on_it


def _compared(
    systems: Mapping[str, Scored], pairs: Sequence[Pair], measure: Measure
) -> dict[Pair, Json]:
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
    facts = {
        "measure": measure,
        "drawn": drawn.kind,
        "num_drawn": drawn.count,
        "num_speakers": drawn.num_speakers,
        "comparisons": sum(each.p is not None for each in found.values()),
    }
    forth = {pair: facts | _values(each, 1) for pair, each in found.items()}
    return forth | {(b, a): facts | _values(each, -1) for (a, b), each in found.items()}


def _errors(scored: Scored, measure: Measure) -> tuple[Integers, Integers]:
    """Return errors of each seed and clip, and the clips' lengths, in words or characters."""
    found = scored.errors(PRIMARY_NORMALIZER)
    if measure == "wer":
        return np.stack([each.word_errors_N for each in found]), found[0].words_N
    return np.stack([each.character_errors_N for each in found]), found[0].characters_N


def _values(found: Difference, sign: int) -> Json:
    """Return a difference as JSON values; sign -1 exchanges the two systems."""
    return {
        "difference": sign * found.difference,
        "interval95": sorted(sign * bound for bound in found.interval95),
        "p": found.p,
        "p_holm": found.p_holm,
        "over_seeds": found.over_seeds,
    }


def _pooled(errors: Sequence[UtteranceErrors], texts_N: Sequence[object]) -> Json:
    """Return rates over all seeds. The intervals draw sentences with all clips and seeds; they
    are no spread over seeds, which is `sd_over_seeds`."""
    words_N, characters_N = errors[0].words_N, errors[0].characters_N
    wers_SN = np.stack([each.word_errors_N for each in errors])
    cers_SN = np.stack([each.character_errors_N for each in errors])
    wer, cer = _rates(wers_SN, words_N, texts_N), _rates(cers_SN, characters_N, texts_N)
    return {
        "wer": wer["rate"],
        "interval95": wer["interval95"],
        "cer": cer["rate"],
        "cer_interval95": cer["interval95"],
        "n": len(words_N),
        "words": int(words_N.sum()),
        "characters": int(characters_N.sum()),
        "by_seed": wer["by_seed"],
        "sd_over_seeds": wer["sd"],
        "cer_by_seed": cer["by_seed"],
        "cer_sd_over_seeds": cer["sd"],
    }


def _rates(errors_SN: Integers, lengths_N: Integers, texts_N: Sequence[object]) -> Json:
    errors_N, all_lengths_N = errors_SN.sum(axis=0), len(errors_SN) * lengths_N
    by_seed = [float(errors_N.sum() / lengths_N.sum()) for errors_N in errors_SN]
    return {
        "rate": float(errors_N.sum() / all_lengths_N.sum()),
        "interval95": list(bootstrap_interval(errors_N, all_lengths_N, texts_N)),
        "by_seed": by_seed,
        "sd": stdev(by_seed) if len(by_seed) > 1 else None,
    }


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each point whether no other is at least as low in both and lower in one."""
    return [
        not any(a <= x and b <= y and (a, b) != (x, y) for j, (a, b) in enumerate(points) if j != i)
        for i, (x, y) in enumerate(points)
    ]
