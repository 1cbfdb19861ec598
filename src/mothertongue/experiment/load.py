"""Load the tuned model of a run: its base, and the trained weights."""

from dataclasses import dataclass, replace
from pathlib import Path

from mothertongue.errors import DataError
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import Experiment, read_experiment
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.model.load import Base, load_base
from mothertongue.strategies.base import Strategy, Whisper, load_trained


@dataclass(frozen=True, slots=True)
class Tuned:
    """A base with its trained weights, and the experiment that made them."""

    base: Base
    experiment: Experiment


def load_run(path: Path, weights: str = "best") -> Tuned:
    """Return the tuned model of a run, with its best weights by validation or its final weights.

    Raises DataError when the run has none yet, they are damaged, or the base is another one.
    """
    run_dir = RunDir(path)
    experiment = read_experiment(run_dir)
    folder = path / weights
    if not folder.is_dir():
        raise DataError(f"{path}: no {weights} weights yet; run: mothertongue train")
    base = open_base(experiment)
    expected = read_identity(run_dir).base_digest
    if base.digest != expected:
        raise DataError(
            f"{path}: was tuned from a base of digest {expected[:12]}, but {experiment.base} now "
            f"has {base.digest[:12]}; put the base it was tuned from there"
        )
    experiment.strategy.apply(base.model, experiment.train.seed)
    take_start(experiment.strategy, base.model, run_dir)
    tensors = checkpoints.read_tensors(folder, checkpoints.TRAINED)
    load_trained(base.model, tensors, str(folder))
    return Tuned(base, experiment)


def take_start(strategy: Strategy, model: Whisper, run_dir: RunDir) -> None:
    """Give a model, right after `apply`, the weights with which the run began on its machine."""
    if strategy.moves_base and run_dir.start.is_dir():  # older runs have none
        start = checkpoints.read_tensors(run_dir.start, checkpoints.TRAINED)
        strategy.take_start(model, start)


def open_base(experiment: Experiment) -> Base:
    """Return the base of an experiment; its tokenizer has the languages that borrow a token."""
    base = load_base(experiment.base)
    return replace(base, tokens=base.tokens.borrowing(experiment.borrow))
