"""The scores of systems on one set of clips, and how they differ: what every table is made of.

Rows are those of Evaluation.rows(), read from the scores that a run left. Rates are ratios.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np

from mothertongue.evaluation.anatomy import anatomy
from mothertongue.evaluation.metrics import (
    Integers,
    UtteranceErrors,
    bootstrap_interval,
    paired_bootstrap,
    utterance_errors,
)
from mothertongue.text import NORMALIZERS, normalizer

Json = dict[str, Any]
JUDGED = "strict"
"""The normalizer under which strategies are told apart."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The rows of one system on one set, a list for each seed: the same clips in the same order."""

    by_seed: tuple[list[Json], ...]

    def errors(self, name: str) -> list[UtteranceErrors]:
        """The counts of each seed under a normalizer."""
        return [utterance_errors(rows, normalizer(name)) for rows in self.by_seed]

    def scores(self) -> Json:
        """WER and CER under each normalizer: over all seeds, and of each."""
        return {name: _pooled(self.errors(name)) for name in NORMALIZERS}

    def anatomy(self) -> Json:
        """What kind of errors these are, over all seeds."""
        return anatomy(self.by_seed, normalizer(JUDGED))


def read_scores(paths: Sequence[Path]) -> Scored:
    return Scored(tuple(json.loads(path.read_text("utf-8"))["utterances"] for path in paths))


def with_differences(rows: list[Json], reference: str, base: Scored | None) -> list[Json]:
    """The rows, each told apart from the base, from the reference and from the lowest WER."""
    found: dict[str, Scored] = {row["strategy"]: row.pop("found") for row in rows}
    wers = {row["strategy"]: row["scores"][JUDGED]["wer"] for row in rows}
    best = min(wers, key=lambda name: wers[name], default=reference)

    def against(other: str, name: str) -> Json | None:
        if other == name or other not in found:
            return None
        return difference(found[other], found[name])

    for row in rows:
        name = row["strategy"]
        row["vs_base"] = difference(base, found[name]) if base else None
        row["vs_reference"] = against(reference, name)
        row["vs_best"] = against(best, name)
    return rows


def mark_fronts(rows: list[Json]) -> None:
    for name, cost in (("parameters", "trainable_parameters"), ("time", "wall_s")):
        front = pareto_front([(row["scores"][JUDGED]["wer"], row[cost]) for row in rows])
        for row, is_on_it in zip(rows, front, strict=True):
            row.setdefault("pareto", {})[name] = is_on_it


def difference(a: Scored, b: Scored) -> Json:
    """WER of b minus WER of a on the same clips, paired; errors of several seeds are averaged."""
    (errors_a_N, lengths_N), (errors_b_N, _) = (_mean_errors(each) for each in (a, b))
    paired = paired_bootstrap(errors_a_N, errors_b_N, lengths_N)
    return {
        "difference": paired.difference,
        "interval95": list(paired.interval95),
        "p": paired.p,
    }


def _mean_errors(scored: Scored) -> tuple[Any, Integers]:
    errors = scored.errors(JUDGED)
    return np.mean([each.word_errors_N for each in errors], axis=0), errors[0].words_N


def _pooled(errors: Sequence[UtteranceErrors]) -> Json:
    """Rates over all seeds. The interval draws clips, each with all its seeds; it is no spread
    over seeds, which is `sd_over_seeds`."""
    words, characters = len(errors) * errors[0].words_N, len(errors) * errors[0].characters_N
    word_errors = np.sum([each.word_errors_N for each in errors], axis=0)
    character_errors = np.sum([each.character_errors_N for each in errors], axis=0)
    by_seed = [float(each.word_errors_N.sum() / each.words_N.sum()) for each in errors]
    return {
        "wer": float(word_errors.sum() / words.sum()),
        "interval95": list(bootstrap_interval(word_errors, words)),
        "cer": float(character_errors.sum() / characters.sum()),
        "cer_interval95": list(bootstrap_interval(character_errors, characters)),
        "n": len(errors[0].words_N),
        "words": int(errors[0].words_N.sum()),
        "by_seed": by_seed,
        "sd_over_seeds": stdev(by_seed) if len(by_seed) > 1 else None,
    }


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether no other point is at least as low in both and lower in one."""
    return [
        not any(a <= x and b <= y and (a, b) != (x, y) for j, (a, b) in enumerate(points) if j != i)
        for i, (x, y) in enumerate(points)
    ]
