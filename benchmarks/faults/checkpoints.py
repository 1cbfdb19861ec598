"""Each file of the newest checkpoint missing, emptied, halved, or with one bit flipped.

A run is stopped between two checkpoints' steps; a copy of it is damaged; the same command goes on.
The damage has to be told, and the run has to end with the weights of an undisturbed one: from the
older checkpoint they are the same, bit for bit.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs import After, Silent, write_experiment

from faults.counts import Counts
from faults.forked import Outcome, forked
from faults.home import PATIENCE_S, Home, must
from mothertongue.errors import MothertongueError
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import sha256_file
from mothertongue.training.run import run as train

STRATEGIES: tuple[dict[str, Any], ...] = (
    {"kind": "full"},
    {"kind": "freeze", "encoder_layers": 1},
    {"kind": "reinit", "encoder_layers": 1},
    {"kind": "bottleneck", "dim": 4},
    {"kind": "lora", "rank": 2},
)
STOPPED_AT = 5  # steps of 6; checkpoints are after 3 and where it is stopped
FILES = ("trained.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json")
WEIGHTS = Path("final/trained.safetensors")
PREEMPTED = 75


def _flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "0 bytes": lambda path: path.write_bytes(b""),
    "half": _halve,
    "one bit flipped": _flip_one_bit,
}


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage of a file, and what came of it."""

    strategy: str
    file: str
    how: str
    is_found: bool
    is_same: bool
    outcome: Outcome

    def line(self) -> str:
        """The damage in words."""
        said = self.outcome.err.strip().splitlines()[-1:] or [""]
        return f"{self.strategy}, {self.file} {self.how}: exit {self.outcome.code}: {said[0][:200]}"


def run(home: Home, counts: Counts) -> dict[str, Any]:
    """How many damages were found, and after how many the run ended with the same weights."""
    strategies = STRATEGIES[: counts.strategies]
    done = [each for strategy in strategies for each in _damages(strategy, home)]
    return {
        "strategies": len(strategies),
        "damages": len(done),
        "found_damages": sum(each.is_found for each in done),
        "same_weights": sum(each.is_same for each in done),
        "found": [each.line() for each in done if not (each.is_found and each.is_same)],
    }


def _damages(strategy: dict[str, Any], home: Home) -> Iterator[Damage]:
    folder = home.folder / f"checkpoints-{strategy['kind']}"
    folder.mkdir()
    changes = {"epochs": 1, "validation_clips": 2, "eval_every_steps": 6}
    experiment = write_experiment(folder, home.base, home.data, strategy=strategy, **changes)
    must(forked(_trained(experiment, folder / "whole"), folder, PATIENCE_S))
    _stop(experiment, folder / "stopped", folder)
    expected = sha256_file(folder / "whole" / WEIGHTS)
    for file in FILES:
        for how, damage in DAMAGES.items():
            copy = folder / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder / "stopped", copy)
            damage(max(copy.glob("checkpoints/step-*")) / file)
            outcome = forked(_trained(experiment, copy), folder, PATIENCE_S)
            is_same = (copy / WEIGHTS).is_file() and sha256_file(copy / WEIGHTS) == expected
            is_found = f"{file} " in " ".join(outcome.err.split())
            yield Damage(strategy["kind"], file, how, is_found, is_same, outcome)


def _stop(experiment: Path, out: Path, folder: Path) -> None:
    outcome = forked(_trained(experiment, out, After(STOPPED_AT)), folder, PATIENCE_S)
    assert outcome.code == PREEMPTED, outcome.err


def _trained(experiment: Path, out: Path, watcher: Silent | None = None) -> Callable[[], int]:
    """The verb without its page, which takes longer than so small a run."""
    watcher = watcher or Silent()

    def work() -> int:
        try:
            train(load_experiment(experiment), RunDir(out), watcher)
        except MothertongueError as error:
            print(error, file=sys.stderr)
            return error.exit_code
        finally:
            print(*watcher.notes, sep="\n", file=sys.stderr)
        return 0

    return work
