"""Run a grid: train missing runs, choose on validation, test once, summarize.

runs/<name>/
  grid.yaml         the resolved grid               experiments/  one for each run
  runs/<run>/       a run each, also each average   selection.json  written before any test
  base/eval/        the base model's scores         logs/         what each process said
  comparison.json   the result                      tables/       the same for people and papers
  clips.json        every clip, every system        report.html   the page
  cuts.json         what halving stopped early
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from mothertongue.comparison.clips import ClipSet, clip_set
from mothertongue.comparison.from_grid import compare_grid
from mothertongue.comparison.grid import Candidate, Grid, expand
from mothertongue.comparison.halving import Halvings, first_seed, refuse_idle
from mothertongue.comparison.jobs.task import Runner, Task, TaskWatcher
from mothertongue.comparison.paired_scores import read_scores
from mothertongue.comparison.reuse import (
    base_digest,
    refuse_changed_runs,
    refuse_flaws,
    require_data,
)
from mothertongue.comparison.schema import BASE_SYSTEM, Comparison, Cut
from mothertongue.comparison.score_worker import Request, ScoreSet, is_scored
from mothertongue.comparison.selection import Choice, choose, lock_selection
from mothertongue.comparison.weight_averages import (
    PlannedAverage,
    average_tasks,
    planned_averages,
)
from mothertongue.config import Config
from mothertongue.experiment.config import refuse_other_settings
from mothertongue.experiment.defaults import in_precision, settled_all
from mothertongue.experiment.run_dir import CLIPS, COMPARISON, TEST_SCORES, RunDir, is_run
from mothertongue.model.load import base_config
from mothertongue.system.arguments import Precision
from mothertongue.system.files import open_atomically, write_json


def compare(
    grid: Grid, folder: Path, run_all: Runner, watcher: TaskWatcher, devices: int = 1
) -> Comparison:
    """Run or continue the whole comparison and return the result; `run_all` runs its tasks.

    Each run trains on so many devices, and is scored on one.
    Raises ConfigError before anything runs where manifests are missing or settings do not fit;
    DataError where a set has no clip to score, clips are trained on and tested, or runs that are
    there were made from other data or by other code;
    MothertongueError naming the runs that failed; Preempted when asked to stop.
    """
    require_data(grid)
    expanded = expand(grid)
    refuse_flaws(grid, expanded, base_config(grid.base), watcher.noted)
    candidates = _settled(expanded, folder)
    if grid.halving:
        refuse_idle(grid.halving, first_seed(grid, candidates))
    refuse_changed_runs(candidates, folder)
    with RunDir(folder).locked():
        _write_yaml(folder / "grid.yaml", grid)
        candidates, cuts = _train(grid, candidates, folder, run_all, watcher, devices)
        digest = base_digest(candidates, folder)
        choices = choose(candidates, folder, cuts)
        lock_selection(choices, grid, folder)
        averages = _average(grid, candidates, choices, folder, run_all, watcher)
        run_all(list(_scorings(grid, digest, candidates, choices, averages, folder)), watcher)
        result = compare_grid(grid, candidates, choices, cuts, averages, folder)
        write_json(folder / CLIPS, list(_clip_sets(grid, choices, folder)), indent=None)
        write_json(folder / COMPARISON, result)
    return result


def _settled(candidates: Sequence[Candidate], folder: Path) -> list[Candidate]:
    """The runs with a value for each setting that the grid leaves open.

    New runs that leave the precision open take that of those which were begun so: it changes
    results, and they may have begun on another machine.
    """
    found = settled_all([(each.experiment, each.run_dir(folder)) for each in candidates])
    pairs = list(zip(candidates, found, strict=True))
    open_ = [one for each, one in pairs if each.experiment.train.precision == "auto"]
    begun = (one.train.precision for one in open_ if one.train.precision != "auto")
    taken: Precision = next(begun, "auto")
    return [
        replace(each, experiment=one)
        if one.train.precision != "auto" or each.run_dir(folder).identity.is_file()
        else replace(each, experiment=in_precision(one, taken))
        for each, one in pairs
    ]


def _train(
    grid: Grid,
    candidates: list[Candidate],
    folder: Path,
    run_all: Runner,
    watcher: TaskWatcher,
    devices: int,
) -> tuple[list[Candidate], list[Cut]]:
    """Train all runs that halving does not cut; return the finished runs and the cuts."""
    if grid.halving is None:
        run_all(list(_trainings(candidates, folder, devices)), watcher)
        return candidates, []
    halvings = Halvings(grid.halving, first_seed(grid, candidates), folder, watcher)
    halvings.update_cuts()
    first = list(filter(halvings.survives, first_seed(grid, candidates)))
    run_all(list(_trainings(first, folder, devices)), watcher, halvings.is_cut)
    halvings.update_cuts()
    left = list(filter(halvings.survives, candidates))
    run_all(list(_trainings(left, folder, devices)), watcher)
    return left, halvings.cuts


def _average(
    grid: Grid,
    candidates: Sequence[Candidate],
    choices: Sequence[Choice],
    folder: Path,
    run_all: Runner,
    watcher: TaskWatcher,
) -> list[PlannedAverage]:
    """Make the averages of the chosen runs, and return them."""
    if grid.average is None:
        return []
    config = base_config(grid.base)
    averages = planned_averages(grid, choices, candidates, config, folder, watcher.noted)
    run_all(list(average_tasks(grid, averages, folder)), watcher)
    return averages


def _trainings(candidates: Sequence[Candidate], folder: Path, devices: int) -> Iterator[Task]:
    on = ("--devices", str(devices)) if devices > 1 else ()
    for name, each in {each.experiment.name: each for each in candidates}.items():
        run_dir = each.run_dir(folder)
        if run_dir.experiment.is_file():
            refuse_other_settings(each.experiment, run_dir)
        if run_dir.is_done:
            continue
        path = folder / "experiments" / f"{name}.yaml"
        _write_yaml(path, each.experiment)
        command = ("mothertongue", "train", *on, str(path), "--out", str(run_dir.path))
        log = folder / "logs" / f"{name}.log"
        yield Task(name, command, log, run_dir.metrics, (path, run_dir.path))


def _scorings(
    grid: Grid,
    digest: str,
    candidates: Sequence[Candidate],
    choices: Sequence[Choice],
    averages: Sequence[PlannedAverage],
    folder: Path,
) -> Iterator[Task]:
    """Yield what to score: the base on all sets, chosen runs and averages on their language and
    retention."""
    for language in grid.languages:
        borrow = grid.languages[language].borrow
        sets = _sets(grid, language, folder / "base" / "eval" / language)
        yield from _scoring(grid, folder, f"base-{language}", grid.base, borrow, sets, digest)
    base_sets = _retention(grid, folder / "base" / "eval")
    yield from _scoring(grid, folder, "base-retention", grid.base, {}, base_sets, digest)
    removable = {e.experiment.name: e.experiment.strategy.is_adapter for e in candidates}
    tuned = {
        name: (choice.language, RunDir(folder / "runs" / name))
        for choice in choices
        for name in choice.runs
    }
    tuned |= {
        each.name: (each.language, each.run_dir(folder))
        for each in averages
        if each.tested(folder) == each.run_dir(folder)
    }
    for name, (language, run_dir) in tuned.items():
        scores = run_dir.evaluation(TEST_SCORES).parent
        sets = [*_sets(grid, language, scores), *_retention(grid, scores)]
        if removable.get(name):  # the first set shows whether they are then the base
            sets += _retention(grid, scores, are_adapters_off=True)[:1]
        yield from _scoring(grid, folder, name, str(run_dir.path), {}, sets)


def _scoring(
    grid: Grid,
    folder: Path,
    name: str,
    model: str,
    borrow: dict[str, str],
    sets: list[ScoreSet],
    digest: str | None = None,
) -> Iterator[Task]:
    decoding = grid.evaluate.model_copy(update={"detect_language": True})
    request = Request(
        model=model, base_digest=digest, borrow=borrow, evaluate=decoding, sets=tuple(sets)
    )
    if all(is_scored(each, request) for each in sets):
        return
    path = folder / "logs" / f"score-{name}.json"
    write_json(path, request.model_dump(mode="json"))
    command = ("mothertongue.comparison.score_worker", str(path))
    written = (Path(model),) if is_run(Path(model)) else tuple(each.out for each in sets)
    yield Task(f"scoring {name}", command, path.with_suffix(".log"), uses=(path, *written))


def _sets(grid: Grid, language: str, scores: Path) -> list[ScoreSet]:
    place = grid.languages[language]
    own = ScoreSet(data=place.manifests, split="test", out=scores / f"{TEST_SCORES}.json")
    return [own] + [
        ScoreSet(data=(each.data,), split=each.split, out=scores / f"also-{name}.json")
        for name, each in place.also.items()
    ]


def _retention(grid: Grid, scores: Path, are_adapters_off: bool = False) -> list[ScoreSet]:
    prefix = "off" if are_adapters_off else "retention"
    return [
        ScoreSet(
            data=(each.data,),
            split=each.split,
            out=scores / f"{prefix}-{name}.json",
            adapters_disabled=are_adapters_off,
        )
        for name, each in grid.retention.items()
    ]


def _clip_sets(grid: Grid, choices: Sequence[Choice], folder: Path) -> Iterator[ClipSet]:
    """Yield the clips of every test set, with the transcripts of the base and the chosen runs."""
    for language in grid.languages:
        chosen = [each for each in choices if each.language == language]
        for scored in _sets(grid, language, folder / "base" / "eval" / language):
            files = {BASE_SYSTEM: scored.out} | {
                each.arm: RunDir(folder / "runs" / each.runs[0]).evaluation(scored.out.stem)
                for each in chosen
            }
            systems = {name: read_scores([path]).by_seed[0] for name, path in files.items()}
            measure = grid.measure(language)
            yield clip_set(language, scored.out.stem, scored.data, systems, measure)


def _write_yaml(path: Path, value: Config) -> None:
    with open_atomically(path) as file:
        # Through JSON: YAML would write a tuple as a tag of Python's.
        plain = json.loads(value.model_dump_json())
        yaml.safe_dump(plain, file, sort_keys=False, allow_unicode=True)
