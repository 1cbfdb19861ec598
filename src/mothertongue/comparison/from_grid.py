"""Make the result of a grid from the records and scores of its runs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mothertongue.comparison.alike import engine_doubts, leak_doubts
from mothertongue.comparison.average_rows import AverageRow
from mothertongue.comparison.grid import Candidate, Grid
from mothertongue.comparison.paired_scores import PRIMARY_NORMALIZER, Scored, read_scores
from mothertongue.comparison.result import Row, averages, language_result, point, run_cost
from mothertongue.comparison.retention import retention
from mothertongue.comparison.schema import Comparison, Cut, Language, Point, RunCost
from mothertongue.comparison.selection import Choice
from mothertongue.comparison.weight_averages import PlannedAverage
from mothertongue.experiment.checkpoints import TRAINED
from mothertongue.experiment.run_dir import TEST_SCORES, RunDir
from mothertongue.system.environment import environment


def compare_grid(
    grid: Grid,
    candidates: Sequence[Candidate],
    choices: Sequence[Choice],
    cuts: Sequence[Cut],
    planned: Sequence[PlannedAverage],
    folder: Path,
) -> Comparison:
    """Return everything that was measured."""
    languages = {
        name: _language(grid, name, candidates, choices, cuts, planned, folder)
        for name in grid.languages
    }
    return Comparison(
        name=grid.name,
        base=grid.base,
        protocol=grid.protocol,
        chosen_on="test" if grid.protocol == "paper" else "validation",
        reference=grid.reference,
        seeds=list(grid.seeds),
        normalizer=PRIMARY_NORMALIZER,
        languages=languages,
        average=averages(languages, grid.reference),
        curves=[_point(each, folder) for each in candidates],
        cuts=list(cuts),
        environment=environment(),
    )


def _language(
    grid: Grid,
    language: str,
    candidates: Sequence[Candidate],
    choices: Sequence[Choice],
    cuts: Sequence[Cut],
    planned: Sequence[PlannedAverage],
    folder: Path,
) -> Language:
    base_scores = folder / "base" / "eval"
    base = {
        name: read_scores([base_scores / language / f"{name}.json"])
        for name in _sets(grid, language)
    }
    chosen = [each for each in choices if each.language == language]
    rows = [_row(grid, each, candidates, cuts, base, folder) for each in chosen]
    manifests, measure = grid.languages[language].manifests, grid.measure(language)
    doubts = _doubts(grid, language, chosen, base, folder)
    averaged = [_average(grid, each, base, folder) for each in planned if each.language == language]
    return language_result(manifests, measure, base, rows, grid.reference, doubts, averaged)


def _average(
    grid: Grid, planned: PlannedAverage, base: Mapping[str, Scored], folder: Path
) -> AverageRow:
    tested = planned.tested(folder)
    scores = tested.evaluation(TEST_SCORES).parent
    return AverageRow(
        strategy=planned.arm,
        run=planned.name,
        record=planned.record(folder),
        found={name: read_scores([scores / f"{name}.json"]) for name in base},
        retention=retention(grid.retention, folder / "base" / "eval", [scores]),
        size_bytes=(tested.best / TRAINED).stat().st_size,
    )


def _doubts(
    grid: Grid, language: str, chosen: Sequence[Choice], base: dict[str, Scored], folder: Path
) -> list[str]:
    """Read the leaks from the scores of the first run: all runs of a language share their clips."""
    own = dict.fromkeys(base, folder / "base" / "eval" / language)
    kept = {f"retention-{name}": folder / "base" / "eval" for name in grid.retention}
    runs = {name: RunDir(folder / "runs" / name) for each in chosen for name in each.runs}
    scores = {
        name: {"base": place / f"{name}.json"}
        | {run: run_dir.evaluation(name) for run, run_dir in runs.items()}
        for name, place in (own | kept).items()
    }
    first = list(runs.values())[:1]
    leaks = {name: run.evaluation(name) for run in first for name in scores}
    return [*leak_doubts(leaks), *engine_doubts(scores)]


def _row(
    grid: Grid,
    choice: Choice,
    candidates: Sequence[Candidate],
    cuts: Sequence[Cut],
    base: dict[str, Scored],
    folder: Path,
) -> Row:
    evals = [RunDir(folder / "runs" / name).evaluation(TEST_SCORES).parent for name in choice.runs]
    return Row(
        strategy=choice.arm,
        settings=choice.settings,
        out_of=choice.out_of,
        runs=choice.runs,
        chosen_at_wer=choice.mean_wer,
        chosen_at_cer=choice.mean_cer,
        found={name: read_scores([each / f"{name}.json" for each in evals]) for name in base},
        retention=retention(grid.retention, folder / "base" / "eval", evals),
        cost=_cost(choice, candidates, cuts, folder),
    )


def _cost(
    choice: Choice, candidates: Sequence[Candidate], cuts: Sequence[Cut], folder: Path
) -> RunCost:
    tried = {
        each.experiment.name: each.run_dir(folder).read_record()
        for each in candidates
        if (each.language, each.arm) == (choice.language, choice.arm)
    }
    cut = [
        RunDir(folder / "runs" / each.run)
        for each in cuts
        if (each.language, each.strategy) == (choice.language, choice.arm)
    ]
    # Whoever needs the disk removes cut runs. One that was killed may have no checkpoint yet.
    costs = [each.read_cost() for each in cut if each.state.is_file()]
    records = [tried[name] for name in choice.runs]
    return run_cost(records, [*tried.values(), *costs], RunDir(folder / "runs" / choice.runs[0]))


def _point(candidate: Candidate, folder: Path) -> Point:
    return point(
        candidate.language,
        candidate.arm,
        candidate.settings,
        candidate.seed,
        candidate.experiment.name,
        candidate.run_dir(folder).read_record(),
    )


def _sets(grid: Grid, language: str) -> Iterator[str]:
    yield TEST_SCORES
    for name in grid.languages[language].also:
        yield f"also-{name}"
