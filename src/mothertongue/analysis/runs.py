"""Read the runs to compare, group those that differ only in seed, and draw clips."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.data.manifest import Split, Utterance, read_data
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.config import Experiment, read_experiment
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.run_dir import NO_RUN, RunDir, is_run
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.model.tokenizer import MAX_LABEL_TOKENS, Tokens

SHORTEST_S = 0.1  # 5 frames: two clips then have more rows than any measure needs
SEED_ENDING = r"([-_.]?seed|[-_.]s)?[-_.]?\d+$"


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder, its experiment, and the digest of its base."""

    path: Path
    experiment: Experiment
    base_digest: str


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that differ only in their seed, with one name."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """Utterances drawn at random from the usable ones of a split."""

    utterances: tuple[Utterance, ...]
    usable: int
    unusable: int
    """The number of utterances that are too short, longer than 30 s or, where the decoder reads
    them, of no or too long a text."""


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Return the runs in these folders. Raises DataError if one is no run or has no weights.

    Raises ConfigError where there is none, one is given twice, or their bases are different.
    """
    if len({path.resolve() for path in paths}) < len(paths) or not paths:
        raise ConfigError(f"{len(paths)} runs: expected one or more, each given once")
    runs = [_read_run(path) for path in paths]
    if len({run.base_digest for run in runs}) > 1:
        bases = [f"  {run.path}: {run.experiment.base} ({run.base_digest[:12]})" for run in runs]
        raise ConfigError(
            "the runs were tuned from different bases; analyze those of one base at a time:\n"
            + "\n".join(bases)
        )
    return runs


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Return the runs grouped by their settings, in the order of the first of each group."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(json.dumps(_settings(run.experiment), sort_keys=True), []).append(run)
    names = [_name(each) for each in found.values()]
    if len(set(names)) < len(names):  # runs/a/full and runs/b/full
        names = [str(each[0].path) for each in found.values()]
    return [Group(name, tuple(each)) for name, each in zip(names, found.values(), strict=True)]


def draw(
    paths: Sequence[Path], split: Split, n: int, seed: int, label_tokens: Tokens | None
) -> Sample:
    """Draw n utterances of a split, or all if there are fewer; audio paths are absolute.

    With `label_tokens` their labels must fit the decoder. Raises ConfigError for fewer than 2.
    """
    chosen = [each for each in read_data(paths) if each.split == split]
    usable = [each for each in chosen if _is_usable(each, label_tokens)]
    if min(n, len(usable)) < 2:
        raise ConfigError(
            f"{', '.join(map(str, paths))}: {len(usable)} usable utterances in split {split!r}, "
            f"{n} asked for; expected at least 2 of both: choose another split, or other data"
        )
    order = np.random.default_rng(seed).permutation(len(usable))[:n]
    return Sample(
        tuple(usable[i] for i in order), usable=len(usable), unusable=len(chosen) - len(usable)
    )


def _read_run(path: Path) -> Run:
    run_dir = RunDir(path)
    if not is_run(path):
        raise DataError(f"{path}: {NO_RUN}")
    if not run_dir.best.is_dir():
        raise DataError(f"{path}: no best weights yet; run: mothertongue train")
    return Run(path, read_experiment(run_dir), read_identity(run_dir).base_digest)


def _settings(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that separate groups, without those that change no result."""
    return experiment.model_dump(mode="json", exclude={"name": True, "train": {"seed", "workers"}})


def _name(runs: Sequence[Run]) -> str:
    """Return the folder's name; for several, the first without its seed (full-seed1: full)."""
    name = runs[0].path.resolve().name
    return name if len(runs) == 1 else re.sub(SEED_ENDING, "", name) or name


def _is_usable(utterance: Utterance, label_tokens: Tokens | None) -> bool:
    if not SHORTEST_S <= utterance.duration_s <= FULL_CONTEXT_S:
        return False
    if label_tokens is None:
        return True
    length = label_tokens.count_label(utterance.text, utterance.language)
    return bool(utterance.text.strip()) and length <= MAX_LABEL_TOKENS
