"""A run of mothertongue with the time of every step, as one line of JSON. A child of bench.py.

usage: ours.py JSON: {"experiment": ..., "stop_after": steps, "validated": work folder}, the last
two of which may be left out.
"""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from score import validator
from work import read_split

from mothertongue.config import parse
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.validation import Validation
from mothertongue.model.devices import best_device, peak_memory_bytes
from mothertongue.model.load import load_base
from mothertongue.training.dataset import StepDataset
from mothertongue.training.loop import TrainingInputs, train
from mothertongue.training.run import run


class EnoughError(Exception):
    """So many steps were asked for."""


class StepTimer:
    """Seconds from step to step, data loading and logging included, validations not."""

    def __init__(self, stop_after: int | None) -> None:
        self.stop_after = stop_after
        self.step_s: list[float] = []
        self.losses: list[float] = []
        self.validations: list[dict[str, float]] = []

    def begun(self, step: int, total_steps: int) -> None:
        self.last = time.perf_counter()

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        self.step_s.append(time.perf_counter() - self.last)
        self.losses.append(loss)
        if step == self.stop_after:
            raise EnoughError
        self.last = time.perf_counter()

    def validated(self, step: int, found: Validation, is_best: bool) -> None:
        self.validations.append({"step": step, "train_s": sum(self.step_s), "wer": found.wer})
        self.last = time.perf_counter()

    def noted(self, message: str) -> None:
        print(message, file=sys.stderr)


def main() -> None:
    spec = json.loads(sys.argv[1])
    experiment = parse(Experiment, spec["experiment"], "bench")
    timer, began = StepTimer(spec.get("stop_after")), time.perf_counter()
    with TemporaryDirectory() as folder:
        run_dir = RunDir(Path(folder) / "run")
        try:
            if "validated" in spec:
                run_validated(experiment, Path(spec["validated"]), run_dir, timer)
            else:
                run(experiment, run_dir, timer)
        except EnoughError:
            pass
    report = {
        "step_s": timer.step_s,
        "losses": timer.losses,
        "validations": timer.validations,
        "overhead_s": time.perf_counter() - began - sum(timer.step_s),
        "peak_memory_bytes": peak_memory_bytes(best_device()),
    }
    print(json.dumps(report))


def run_validated(experiment: Experiment, work: Path, run_dir: RunDir, timer: StepTimer) -> None:
    """As `run`, but validations are at 30 s, for the sake of the comparison."""
    base = load_base(experiment.base)
    model = experiment.strategy.apply(base.model, experiment.train.seed)
    clips = read_split(work / "data", "train")
    dataset = StepDataset(Path(), clips, base.tokens, experiment.train)
    job = TrainingInputs(dataset.steps_per_epoch, dataset.steps_from, validator(model, work))
    with run_dir.locked():
        train(model, job, experiment.train, run_dir, timer)


if __name__ == "__main__":
    main()
