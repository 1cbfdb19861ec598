"""The data of a page, read from the files of runs and comparisons. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mothertongue.analysis.records import Analysis
from mothertongue.comparison.clips import ClipSet
from mothertongue.comparison.from_runs import compare_runs
from mothertongue.comparison.schema import Comparison
from mothertongue.errors import ConfigError, DataError
from mothertongue.evaluation.records import LongScores
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.records import Identity, MetricsLine, RunRecord
from mothertongue.experiment.run_dir import (
    BASE_PREFIX,
    CLIPS,
    COMPARISON,
    LONG_PREFIX,
    RunDir,
    is_run,
)
from mothertongue.system.json_files import REMEDY, read_json, read_json_lines, read_text

ANALYSIS = "analysis.json"


@dataclass(frozen=True, slots=True)
class RunRecords:
    """A run: its name, the lines of its training, and its record."""

    name: str
    language: str
    strategy: str
    record: RunRecord
    metrics: list[MetricsLine]
    identity: Identity
    settings: str
    """Its experiment, YAML."""
    long_scores: dict[str, LongScores] = field(default_factory=dict)
    """Its scores on long recordings, and those of its base, by the names of their files."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page: one comparison, or single runs that are compared."""

    folders: list[Path]
    result: Comparison
    clip_sets: list[ClipSet]
    analyses: list[Analysis]
    runs: list[RunRecords]
    """The runs that the rows are made of; without test scores, all that were named."""
    command: str
    """The command that makes it again."""
    settings: str
    """The grid, YAML; empty where runs were made one by one."""


def read_parts(paths: Sequence[Path], analyses: Sequence[Path]) -> list[Part]:
    """Return the parts of a page: one for each comparison, and one for all single runs.

    A part has the analyses of layers in its folders (analysis.json), the first one also `analyses`.

    Raises ConfigError where a path is neither a run nor a comparison, DataError where it is not
    finished.
    """
    extra = [read_json(path, Analysis) for path in analyses]
    comparisons = [path for path in paths if (path / COMPARISON).is_file() and not is_run(path)]
    runs = [path for path in paths if is_run(path)]
    if strange := [str(path) for path in paths if path not in comparisons + runs]:
        raise ConfigError(
            f"{', '.join(strange)}: neither a finished comparison nor a run; expected a folder "
            f"with {COMPARISON} or experiment.yaml, as mothertongue compare and train make them"
        )
    parts = [_of_comparison(path) for path in comparisons]
    if runs:
        parts.append(_of_runs(runs))
    parts[0].analyses.extend(extra)
    return parts


def _of_comparison(folder: Path) -> Part:
    again = "Give mothertongue compare again: it keeps finished runs and writes the result"
    result = read_json(folder / COMPARISON, Comparison, again)
    clips = folder / CLIPS
    if not clips.is_file():
        raise DataError(f"{folder}: has no {CLIPS}; it is from an older version. {again}")
    clip_sets = read_json(clips, list[ClipSet], again)
    named = {
        (language, row.strategy, name): _run_folder(folder, name)
        for language, found in result.languages.items()
        for row in found.strategies
        for name in row.runs
    }
    runs = [_run(path, *names) for names, path in named.items()]
    return Part(
        folders=[folder],
        result=result,
        clip_sets=clip_sets,
        analyses=list(_analyses([folder])),
        runs=runs,
        command=f"mothertongue compare {folder / 'grid.yaml'} --out {folder}",
        settings=read_text(folder / "grid.yaml"),
    )


def _run_folder(folder: Path, name: str) -> Path:
    """Return the folder of a run in a comparison. Raises DataError if it is outside."""
    if name == ".." or name != Path(name).name:
        raise DataError(
            f"{folder / COMPARISON}: run {name!r} is not in {folder / 'runs'}; give "
            "mothertongue compare again, which writes it again"
        )
    return folder / "runs" / name


def _of_runs(folders: Sequence[Path]) -> Part:
    result, clip_sets = compare_runs(folders)
    return Part(
        folders=list(folders),
        result=result,
        clip_sets=clip_sets,
        analyses=list(_analyses(folders)),
        runs=[
            _run(path, point.language, point.strategy, point.run)
            for path, point in zip(folders, result.curves, strict=True)
        ],
        command="\n".join(
            f"mothertongue train {path / 'experiment.yaml'} --out {path}" for path in folders
        ),
        settings="",
    )


def _run(folder: Path, language: str, strategy: str, name: str) -> RunRecords:
    run_dir = RunDir(folder)
    metrics = [values for _, values in read_json_lines(run_dir.metrics, MetricsLine)]
    if not metrics:
        raise DataError(f"{run_dir.metrics}: damaged: no line, expected one a step; {REMEDY}")
    return RunRecords(
        name=name,
        language=language,
        strategy=strategy,
        record=run_dir.read_record(),
        metrics=metrics,
        identity=read_identity(run_dir),
        settings=read_text(run_dir.experiment),
        long_scores={
            path.stem: read_json(path, LongScores)
            for prefix in (LONG_PREFIX, BASE_PREFIX + LONG_PREFIX)
            for path in sorted((folder / "eval").glob(f"{prefix}*.json"))
        },
    )


def _analyses(folders: Sequence[Path]) -> Iterator[Analysis]:
    for folder in folders:
        if (folder / ANALYSIS).is_file():
            yield read_json(folder / ANALYSIS, Analysis)
