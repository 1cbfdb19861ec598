"""Average the weights of runs of a comparison, in a separate process.

python -m mothertongue.comparison.average_worker REQUEST.json
"""

from pathlib import Path
from typing import Literal

from mothertongue.comparison.average import average
from mothertongue.comparison.average_scores import digests_of
from mothertongue.comparison.grid import TestSet
from mothertongue.comparison.score_worker import answer
from mothertongue.config import Config
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.run_dir import RunDir, is_run
from mothertongue.system.environment import deciding_versions
from mothertongue.system.files import remove_folder, sha256_file


class AverageRequest(Config):
    """Runs to average, and the folder of the new run."""

    runs: tuple[Path, ...]
    out: Path
    with_base: Literal["sweep"] | None
    retention: dict[str, TestSet]
    """The sets that each alpha of a sweep is scored on, by name."""


def make_average(request: AverageRequest) -> None:
    """Write the average, in place of an earlier one of other weights, sets or versions."""
    if is_averaged(request):
        return
    if is_run(request.out) and read_experiment(RunDir(request.out)).average is not None:
        remove_folder(request.out)
    average(request.runs, request.out, request.with_base, request.retention)


def is_averaged(request: AverageRequest) -> bool:
    """Return whether the average is there, of the same weights, sets and versions."""
    run_dir = RunDir(request.out)
    if not run_dir.is_done:
        return False
    record = run_dir.read_record()
    facts, weights = (
        record.average,
        [RunDir(run).best / checkpoints.TRAINED for run in request.runs],
    )
    return (
        facts is not None
        and [each.weights_sha256 for each in facts.runs] == list(map(sha256_file, weights))
        and facts.alpha_by == request.with_base
        and facts.retention_digests
        == {name: digests_of(each) for name, each in request.retention.items()}
        and deciding_versions(record.environment.packages) == deciding_versions()
    )


if __name__ == "__main__":
    answer(AverageRequest, make_average)
