"""Compare runs that were made one by one, in the same form as a grid's result.

Runs of one language that differ in nothing but name, seed and FREE settings are one row. What has
no test scores yet has no row, but a point: its WER on validation. See run_scores.py for what a run
keeps.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import fmean

from mothertongue.comparison.alike import (
    code_doubts,
    leak_doubts,
    refuse_copies,
    refuse_other_decoding,
)
from mothertongue.comparison.clips import ClipSet, clip_set
from mothertongue.comparison.paired_scores import PRIMARY_NORMALIZER, Scored, read_scores
from mothertongue.comparison.result import Row, language_result, point, run_cost
from mothertongue.comparison.schema import BASE_SYSTEM, Comparison, Language, Point
from mothertongue.errors import DataError
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.identity import manifest_changes, refuse_changes
from mothertongue.experiment.records import FREE, FREE_DECODING, RunRecord, RunSettings
from mothertongue.experiment.run_dir import (
    BASE_PREFIX,
    OTHER_DATA_PREFIX,
    TEST_SCORES,
    RunDir,
)
from mothertongue.system.environment import environment
from mothertongue.system.json_files import read_json


@dataclass(frozen=True, slots=True)
class Done:
    """A finished run, its name among those that are compared, and its record."""

    name: str
    run_dir: RunDir
    record: RunRecord

    @property
    def experiment(self) -> RunSettings:
        return self.record.experiment

    @property
    def kind(self) -> str:
        return self.experiment.strategy.kind

    @property
    def seed(self) -> int:
        return self.experiment.train.seed

    def has(self, stored: str) -> bool:
        return self.run_dir.evaluation(stored).is_file()


def compare_runs(folders: Sequence[Path]) -> tuple[Comparison, list[ClipSet]]:
    """Return the result, and the clips of each test set, of finished runs.

    Raises DataError where a run is not finished or its manifest has changed, one is a copy of
    another, or runs of one language have another base, other test clips or another decoding.
    """
    runs = [_read(*each) for each in zip(_names(folders), folders, strict=True)]
    base = _one("base", {each.experiment.base for each in runs})
    # A folder of one name may have had other weights; early versions recorded no digest.
    if digests := {each.record.base_digest for each in runs} - {""}:
        _one("weights of the base", digests)
    by_language: dict[str, list[Done]] = {}
    for each in runs:
        by_language.setdefault(each.experiment.language, []).append(each)
    groups = {name: _by_settings(group) for name, group in by_language.items()}
    reference = _reference([row for each in groups.values() for row in each])
    found = {name: _language(group, groups[name], reference) for name, group in by_language.items()}
    rows = {run.name: row for each in groups.values() for row, own in each.items() for run in own}
    is_paper = any(each.experiment.select_on == "test" for each in runs)
    result = Comparison(
        name=", ".join(each.name for each in runs),
        base=base,
        protocol="paper" if is_paper else "validation",
        chosen_on="test" if is_paper else "validation",
        reference=reference,
        seeds=sorted({each.seed for each in runs}),
        normalizer=PRIMARY_NORMALIZER,
        languages={name: language for name, (language, _) in found.items()},
        average=[],
        curves=[_point(each, rows.get(each.name, each.kind)) for each in runs],
        environment=environment(),
    )
    return result, [clips for _, sets in found.values() for clips in sets]


def _language(
    runs: Sequence[Done], groups: dict[str, list[Done]], reference: str
) -> tuple[Language, list[ClipSet]]:
    """Return one language and the clips of its test sets; `groups` has the runs of its rows."""
    manifests, measure = runs[0].experiment.manifests, runs[0].experiment.measure
    scored = [each for group in groups.values() for each in group]
    base = _base(scored)
    rows = [_row(name, group, base) for name, group in groups.items()]
    _one("select_by", {each.experiment.measure for each in runs})
    doubts = [
        *code_doubts({each.name: each.run_dir for each in scored}),
        *_leak_doubts(scored, base),
    ]
    language = language_result(manifests, measure, base, rows, reference, doubts)
    return language, [_clips(manifests, groups, base)] if groups else []


def _row(name: str, group: Sequence[Done], base: dict[str, Scored]) -> Row:
    records = [each.record for each in group]
    best = [each.best for each in records]
    known = [each for each in best if each] if all(best) else []
    return Row(
        strategy=name,
        settings={},
        out_of=1,
        runs=[each.name for each in group],
        chosen_at_wer=fmean(each.wer for each in known) if known else None,
        chosen_at_cer=fmean(each.cer for each in known) if known else None,
        found={stored: _scored(group, stored) for stored in {TEST_SCORES: None, **base}},
        retention=None,
        cost=run_cost(records, records, group[0].run_dir),
    )


def _base(runs: Sequence[Done]) -> dict[str, Scored]:
    """Return the base's scores on each set that all these runs share; clips must be the same."""
    found = {}
    for name in _common_sets(runs):
        keeper = next((each for each in runs if each.has(BASE_PREFIX + name)), None)
        _one(f"clips of {name}", {_digest(each, name) for each in runs})
        paths = [each.run_dir.evaluation(name) for each in runs]
        if keeper is not None:
            _one(f"clips of {name}", {_digest(keeper, n) for n in (name, BASE_PREFIX + name)})
            paths.append(keeper.run_dir.evaluation(BASE_PREFIX + name))
        refuse_other_decoding(paths)
        if keeper is not None:
            found[name] = _scored([keeper], BASE_PREFIX + name)
    return found


def _common_sets(runs: Sequence[Done]) -> list[str]:
    """Return the runs' own test split, and the other sets that all of them were scored on."""
    sets = [
        {path.stem for path in each.run_dir.evaluation(TEST_SCORES).parent.glob("*.json")}
        for each in runs
    ]
    common = set.intersection(*sets) if sets else set()
    return sorted(
        name for name in common if name == TEST_SCORES or name.startswith(OTHER_DATA_PREFIX)
    )


def _by_settings(runs: Sequence[Done]) -> dict[str, list[Done]]:
    """The scored runs of each row, by its name: the kind of strategy, or the run's name where two
    share it. A run's name that is also a kind or the base model's gets `run` in front."""
    groups: dict[str, list[Done]] = {}
    for each in [each for each in runs if each.has(TEST_SCORES)]:
        # Earlier versions recorded no `average`.
        settings = {"average": None} | each.experiment.model_dump() | {"name": ""}
        settings["train"] = settings["train"] | dict.fromkeys(("seed", *FREE))
        settings["evaluate"] = settings.get("evaluate", {}) | dict.fromkeys(FREE_DECODING)
        groups.setdefault(json.dumps(settings, sort_keys=True), []).append(each)
    for group in groups.values():
        refuse_copies([(each.run_dir.path, each.seed) for each in group])
    kinds = [group[0].kind for group in groups.values()]
    names = [
        f"run {name}" if name in (BASE_SYSTEM, *kinds) else name
        for name in (group[0].name for group in groups.values())
    ]
    return {
        kind if kinds.count(kind) == 1 else name: group
        for kind, name, group in zip(kinds, names, groups.values(), strict=True)
    }


def _clips(
    manifests: Sequence[Path], groups: dict[str, list[Done]], base: dict[str, Scored]
) -> ClipSet:
    systems = {BASE_SYSTEM: base[TEST_SCORES].by_seed[0]} if TEST_SCORES in base else {}
    systems |= {name: _scored(group, TEST_SCORES).by_seed[0] for name, group in groups.items()}
    first = next(iter(groups.values()))[0].experiment
    return clip_set(first.language, TEST_SCORES, manifests, systems, first.measure)


def _reference(names: Sequence[str]) -> str:
    return "full" if "full" in names or not names else names[0]


def _point(done: Done, strategy: str) -> Point:
    language = done.experiment.language
    return point(language, strategy, {}, done.seed, done.name, done.record)


def _leak_doubts(scored: Sequence[Done], base: dict[str, Scored]) -> Iterable[str]:
    """Return the doubts about leaks of the first run: all runs of a language share their data."""
    first = scored[:1]
    paths = {
        name: each.run_dir.evaluation(name)
        for each in first
        for name in {TEST_SCORES: None, **base}
    }
    return leak_doubts(paths)


def _digest(done: Done, stored: str) -> str:
    """Return digests of a run's manifests and audio."""
    found = read_json(done.run_dir.evaluation(stored), SplitScores)
    digests = [found.data_digest, *filter(None, [found.audio_sha256])]
    return " ".join([*digests, f"({len(found.utterances)} clips)"])


def _scored(group: Sequence[Done], stored: str) -> Scored:
    return read_scores([each.run_dir.evaluation(stored) for each in group])


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' names, with as many of their parents as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    depth = next(n for n in count(1) if len({each[-n:] for each in parts}) == len({*parts}))
    return ["/".join(each[-depth:]) for each in parts]


def _read(name: str, folder: Path) -> Done:
    run_dir = RunDir(folder)
    done = Done(name, run_dir, run_dir.read_record())
    refuse_changes(run_dir, manifest_changes(run_dir, done.experiment.manifests), "reported")
    return done


def _one(what: str, values: Iterable[str]) -> str:
    found = sorted(set(values))
    if len(found) != 1:
        raise DataError(
            f"these runs have different {what}: {', '.join(found)}; expected the same for all; "
            "report them one by one, or score them again on the same data"
        )
    return found[0]
