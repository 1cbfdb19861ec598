"""Check whether runs and their scores can be compared in one table, and collect doubts. No torch.

Scores are the JSON files that `evaluate` and `compare` write: see inference/evaluate_run.py.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mothertongue.errors import DataError
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.environment import deciding_versions
from mothertongue.system.json_files import read_json


def refuse_copies(runs: Sequence[tuple[Path, int]]) -> None:
    """Raise DataError if two runs (folder and seed) of the same settings have the same seed."""
    by_seed: dict[int, list[str]] = defaultdict(list)
    for folder, seed in runs:
        by_seed[seed].append(str(folder))
    for seed, folders in by_seed.items():
        if len(folders) > 1:
            raise DataError(
                f"{', '.join(folders)}: the same settings and the same seed, {seed}; expected "
                "another seed for each. A copy is no second measurement: name one of them"
            )


def refuse_other_decoding(paths: Sequence[Path]) -> None:
    """Raise DataError if scores to compare were decoded with different settings or versions.

    Precision and device are among the settings, for they change transcripts.
    """
    found = {path: _decoding(path) for path in paths}
    keys = sorted({key for each in found.values() for key in each})
    lines = [
        f"  {key}: " + ", ".join(f"{each.get(key)} in {path}" for path, each in found.items())
        for key in keys
        if len({json.dumps(each.get(key)) for each in found.values()}) > 1
    ]
    if lines:
        raise DataError(
            "scores of one table were decoded differently:\n" + "\n".join(lines) + "\nScore every "
            "run again with the same options: mothertongue evaluate RUN --with-base; or remove the "
            "files that are not needed"
        )


def code_doubts(runs: Mapping[str, RunDir]) -> Iterator[str]:
    """Yield a sentence for each version that differs between the runs of one table, by name."""
    code = {name: _code(run) for name, run in runs.items()}
    for key, said in _differences(code):
        yield f"The runs were trained by different code: {key} was {said}."


def engine_doubts(paths: Mapping[str, Mapping[str, Path]]) -> Iterator[str]:
    """Yield a sentence for each setting that differs between the engines that decoded a set.

    `paths` has the scores of each model, by the names of set and model. A comparison may be
    continued on another machine, whose precision is another.
    """
    for name, of_model in paths.items():
        engines = {model: read_json(path, SplitScores).engine for model, path in of_model.items()}
        known = {
            model: {key: value for key, value in each.items() if key != "weights"}  # of runs only
            for model, each in engines.items()
            if each
        }
        for key, said in _differences(known):
            yield (
                f"Set {name}: {key} was {said}: models that are decoded differently are not quite "
                "comparable."
            )


def _differences(found: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, str]]:
    """Yield each key with more than one value, and the names that have each value, as text."""
    for key in sorted({key for each in found.values() for key in each}):
        names: dict[str, list[str]] = defaultdict(list)
        for name, each in found.items():
            names[str(each.get(key))].append(name)
        if len(names) > 1:
            said = "; ".join(f"{value} for {', '.join(those)}" for value, those in names.items())
            yield key, said


def leak_doubts(paths: Mapping[str, Path]) -> Iterator[str]:
    """Yield a sentence for each set that shares clips with a run's training, by name."""
    for name, path in paths.items():
        counts = read_json(path, SplitScores).leaks
        if counts and (said := str(counts)):
            yield f"Set {name}: {said}; other speech may fare worse."


def _decoding(path: Path) -> dict[str, object]:
    record = read_json(path, SplitScores)
    # Each system has the weight of a language model that its own validation clips chose.
    chosen = {"lm_weight"} if record.lm and record.lm.trials else set[str]()
    settings: dict[str, object] = {
        k: v for k, v in record.decoding.items() if k not in {"weights"} | chosen
    }
    packages = record.environment.packages
    return settings | deciding_versions(packages) | {"ctranslate2": packages.get("ctranslate2")}


def _code(run: RunDir) -> dict[str, object]:
    identity = read_identity(run)
    return {"label rules": identity.label_rules, **identity.packages}
