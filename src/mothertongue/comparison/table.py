"""The result of a comparison, from the records that its runs left: one JSON value.

N utterances of a test set. Rates are ratios; times in seconds; `scores` by normalizer.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from mothertongue.comparison.grid import Candidate, Grid
from mothertongue.comparison.retention import retention
from mothertongue.comparison.selection import TEST, Choice, read_record
from mothertongue.evaluation.metrics import (
    Integers,
    UtteranceErrors,
    bootstrap_interval,
    paired_bootstrap,
    utterance_errors,
)
from mothertongue.manifest import SPLITS, read_data
from mothertongue.records import RunDir, environment
from mothertongue.text import NORMALIZERS, normalizer

Json = dict[str, Any]
JUDGED = "strict"
"""The normalizer under which strategies are told apart."""


def comparison(
    grid: Grid, candidates: Sequence[Candidate], choices: Sequence[Choice], folder: Path
) -> Json:
    """Everything that was measured, under `languages`, `average`, `curves` and `settings`."""
    languages = {
        name: _language(grid, name, candidates, choices, folder) for name in grid.languages
    }
    return {
        "name": grid.name,
        "base": grid.base,
        "protocol": grid.protocol,
        "chosen_on": "test" if grid.protocol == "paper" else "validation",
        "reference": grid.reference,
        "seeds": list(grid.seeds),
        "normalizer": JUDGED,
        "languages": languages,
        "average": averages(languages, grid.reference),
        "curves": [_point(each, folder) for each in candidates],
        "environment": environment(),
    }


def averages(languages: dict[str, Json], reference: str) -> list[Json]:
    """Mean WERs over languages, and what Liu et al. 2024 derive from them.

    `relative_to_base` and `relative_to_reference` are changes of the averages (not averages of the
    changes), `points_to_reference` their difference: the paper gives FFT as the second, BAFT as the
    third. Only strategies that were run in every language.
    """
    base = fmean(each["base"]["scores"][JUDGED]["wer"] for each in languages.values())
    wers = _mean_wers(languages)
    middle = wers.get(reference)
    return [
        {
            "strategy": arm,
            "wer": wer,
            "base_wer": base,
            "relative_to_base": wer / base - 1,
            "relative_to_reference": wer / middle - 1 if middle else None,
            "points_to_reference": wer - middle if middle else None,
        }
        for arm, wer in wers.items()
    ]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether no other point is at least as low in both and lower in one."""
    return [
        not any(a <= x and b <= y and (a, b) != (x, y) for j, (a, b) in enumerate(points) if j != i)
        for i, (x, y) in enumerate(points)
    ]


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


def _language(
    grid: Grid,
    language: str,
    candidates: Sequence[Candidate],
    choices: Sequence[Choice],
    folder: Path,
) -> Json:
    base_scores = folder / "base" / "eval"
    base = {
        name: _read([base_scores / language / f"{name}.json"]) for name in _sets(grid, language)
    }
    chosen = [each for each in choices if each.language == language]
    rows = [_row(grid, each, candidates, base, folder) for each in chosen]
    _mark_fronts(rows)
    return {
        "data": _data(grid.languages[language].manifests),
        "base": {
            "scores": base[TEST].scores(),
            "also": {name: each.scores() for name, each in base.items() if name != TEST},
        },
        "strategies": _with_differences(rows, grid.reference, base[TEST]),
    }


def _row(
    grid: Grid,
    choice: Choice,
    candidates: Sequence[Candidate],
    base: dict[str, Scored],
    folder: Path,
) -> Json:
    evals = [RunDir(folder / "runs" / name).evaluation(TEST).parent for name in choice.runs]
    found = {name: _read([each / f"{name}.json" for each in evals]) for name in base}
    return {
        "strategy": choice.arm,
        "settings": choice.settings,
        "out_of": choice.out_of,
        "runs": list(choice.runs),
        "chosen_at_wer": choice.mean_wer,
        "scores": found[TEST].scores(),
        "also": {
            name: {"scores": each.scores(), "vs_base": difference(base[name], each)}
            for name, each in found.items()
            if name != TEST
        },
        "retention": retention(grid.retention, folder / "base" / "eval", evals),
        **_cost(choice, candidates, folder),
        "found": found[TEST],  # for the differences; taken out again
    }


def _with_differences(rows: list[Json], reference: str, base: Scored) -> list[Json]:
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
        row["vs_base"] = difference(base, found[name])
        row["vs_reference"] = against(reference, name)
        row["vs_best"] = against(best, name)
    return rows


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


def _cost(choice: Choice, candidates: Sequence[Candidate], folder: Path) -> Json:
    tried = {
        each.experiment.name: read_record(each, folder)
        for each in candidates
        if (each.language, each.arm) == (choice.language, choice.arm)
    }
    records = [tried[name] for name in choice.runs]
    weights = folder / "runs" / choice.runs[0] / "best" / "trained.safetensors"
    return {
        "trainable_parameters": records[0]["trainable_parameters"],
        "parameters": records[0]["parameters"],
        "steps": [each["steps"] for each in records],
        "step_s": fmean(each["train_s"] / each["steps"] for each in records),
        "wall_s": fmean(map(_wall_s, records)),
        "search_wall_s": sum(map(_wall_s, tried.values())),
        "peak_memory_bytes": max(each["peak_memory_bytes"] for each in records),
        "size_bytes": weights.stat().st_size,
        "device": records[0]["device"],
    }


def _wall_s(record: Json) -> float:
    return float(record["train_s"] + record["validate_s"])


def _mark_fronts(rows: list[Json]) -> None:
    for name, cost in (("parameters", "trainable_parameters"), ("time", "wall_s")):
        front = pareto_front([(row["scores"][JUDGED]["wer"], row[cost]) for row in rows])
        for row, is_on_it in zip(rows, front, strict=True):
            row.setdefault("pareto", {})[name] = is_on_it


def _point(candidate: Candidate, folder: Path) -> Json:
    """One run on the split that chooses: a point of the paper's figures 2, 3, 5 and 6."""
    record = read_record(candidate, folder)
    return {
        "language": candidate.language,
        "strategy": candidate.arm,
        "settings": candidate.settings,
        "seed": candidate.seed,
        "run": candidate.experiment.name,
        "split": record["selected_on"],
        "wer": record["best_validation_wer"],
        "interval95": record["best_validation_interval95"],
        "best_step": record["best_step"],
        "trainable_parameters": record["trainable_parameters"],
        "wall_s": _wall_s(record),
    }


def _mean_wers(languages: dict[str, Json]) -> dict[str, float]:
    by_arm: dict[str, list[float]] = {}
    for each in languages.values():
        for row in each["strategies"]:
            by_arm.setdefault(row["strategy"], []).append(row["scores"][JUDGED]["wer"])
    return {arm: fmean(wers) for arm, wers in by_arm.items() if len(wers) == len(languages)}


def _data(manifests: Sequence[Path]) -> Json:
    """Clips and hours of each split: the paper's table 2."""
    utterances = read_data(manifests)
    hours = {
        split: [each.duration_s for each in utterances if each.split == split] for split in SPLITS
    }
    return {
        split: {"clips": len(all_s), "hours": sum(all_s) / 3600} for split, all_s in hours.items()
    }


def _sets(grid: Grid, language: str) -> Iterator[str]:
    yield TEST
    for name in grid.languages[language].also:
        yield f"also-{name}"


def _read(paths: Sequence[Path]) -> Scored:
    return Scored(tuple(json.loads(path.read_text("utf-8"))["utterances"] for path in paths))
