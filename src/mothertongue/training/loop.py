"""One plain loop for every strategy: plan, step, validate, checkpoint.

Nothing in it remembers anything that a checkpoint does not: batches are a pure function of the seed
and the epoch, random numbers of the seed and the step, the learning rate of the step. Therefore a
resumed run ends with the same bits as an uninterrupted one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from torch import Tensor

from mothertongue.data.languages import Measure
from mothertongue.errors import Interrupted, Preempted
from mothertongue.experiment import checkpoints
from mothertongue.experiment.records import MetricsLine
from mothertongue.experiment.run_dir import RunDir, append_line, rewind
from mothertongue.experiment.train_config import SAVE_EVERY_STEPS, TrainConfig, learning_rate
from mothertongue.experiment.validation import Validation
from mothertongue.model.devices import keep_freed_memory, peak_memory_bytes
from mothertongue.strategies.base import Whisper, load_trained
from mothertongue.system.files import write_json
from mothertongue.system.json_files import plain_values
from mothertongue.training.batch import Batch
from mothertongue.training.best_of import BestState, best_of, taken_before, with_kept, with_taken
from mothertongue.training.determinism import deterministic, frozen_garbage
from mothertongue.training.distributed import Ranks
from mothertongue.training.frozen_prefix import FrozenPrefix
from mothertongue.training.fsdp import on_main
from mothertongue.training.progress import Watcher
from mothertongue.training.side_averages import SideAverages
from mothertongue.training.signals import StopRequest
from mothertongue.training.state import State, optimizer_tensors, restore_optimizer, validation_hint
from mothertongue.training.step import Stepper
from mothertongue.training.trackers import Trackers
from mothertongue.training.validation import Validator
from mothertongue.training.workers import workers_outlived

StepLoader = Callable[[int], Iterator[list[Batch]]]
"""The micro-batches of each step, from a step on."""


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """Inputs of the training: the steps of an epoch, their batches, and the validation."""

    steps_per_epoch: int
    steps_from: StepLoader
    validate: Validator | None
    """None where there is no validation split: then the last weights are the best known."""
    measure: Measure = "wer"
    """The error rate that chooses the best weights."""
    frozen: FrozenPrefix | None = None
    """The encoder layers that do not train, where there are such."""
    ranks: Ranks = field(default_factory=Ranks)
    """The processes that train together; each has inputs of its own with its share of the clips."""


def train(
    model: Whisper,
    job: TrainingInputs,
    config: TrainConfig,
    run: RunDir,
    watcher: Watcher,
    trackers: Trackers | None = None,
) -> State:
    """Train `model` in place and leave `best/` and `final/` in the run's folder.

    Continues from the newest whole checkpoint of the run. Raises Preempted or Interrupted, after a
    checkpoint, when a signal asks to stop; Preempted when a process that reads clips is lost;
    MothertongueError when the loss is not finite.
    """
    if not config.zero:  # who gives it has more time than memory
        keep_freed_memory()
    trainer = _Trainer(model, job, config, run, watcher, trackers)
    with StopRequest() as stop, deterministic(model.device), workers_outlived(), frozen_garbage():
        trainer.run_until(stop)
    return trainer.state


class _Trainer:
    """The parts of one run that live together: model, optimizer, state."""

    def __init__(
        self,
        model: Whisper,
        job: TrainingInputs,
        config: TrainConfig,
        run: RunDir,
        watcher: Watcher,
        trackers: Trackers | None,
    ) -> None:
        self.model, self.job, self.config, self.run, self.watcher = model, job, config, run, watcher
        self.trackers = trackers
        self.total_steps = job.steps_per_epoch * config.num_epochs
        self.eval_every = config.eval_every_steps or job.steps_per_epoch
        self._has_hinted = False
        self.stepper = Stepper(model, job.frozen, config, job.ranks, watcher.noted)
        self.state = State()
        self.averages = SideAverages(config, run.validations, self.parameters, job.ranks.is_main)
        if job.ranks.is_main:
            kept = (config.ema is not None, config.average_last or 0)
            saves = config.num_saves(job.steps_per_epoch)
            checkpoints.require_room(run, self.parameters.values(), saves, *kept)
        self._resume()

    def run_until(self, stop: StopRequest) -> None:
        """Take all remaining steps, or those until a signal asks to stop."""
        if self.job.validate is None:
            self.watcher.noted(
                "there is no clip to validate on: best/ gets the last weights, and train.patience "
                "stops nothing"
            )
        self.watcher.begun(self.state.step, self.total_steps)
        self.model.train()
        steps = self.job.steps_from(self.state.step)
        self._after_step(stop)
        while self.state.step < self.total_steps and not self.state.stopped_early:
            self._step(steps)
            self._after_step(stop)
        self._finish(stop)

    def _after_step(self, stop: StopRequest) -> None:
        """Validate, save or stop where it is due; repeat a validation that a stop interrupted."""
        if self._is_due(self.eval_every) and self.state.validated_step < self.state.step:
            self._validate(stop)
        if self._is_stopped(stop):
            self._save()
            raise self._stopped(stop)
        if self._is_save_due:
            self._save()

    def _step(self, steps: Iterator[list[Batch]]) -> None:
        """Take an optimizer step, write its line in the metrics, and report it.

        Its time includes the wait for its batches.
        """
        began = time.monotonic()
        batches = next(steps)
        rate = learning_rate(self.state.step, self.total_steps, self.config)
        loss, norm = self.stepper.take(self.state.step, batches, rate)
        self.state.step += 1
        self.averages.stepped(self.state.step)
        self.state.train_s += time.monotonic() - began
        if self.job.frozen:
            computed = self.job.ranks.sum(self.job.frozen.keep_computed())
            self.state.prefixes_computed += int(computed)
        self._log(MetricsLine(self.state.step, loss=loss, learning_rate=rate, grad_norm=norm))
        self.watcher.stepped(self.state.step, loss, rate)

    def _is_stopped(self, stop: StopRequest) -> bool:
        """Whether a signal reached any of the ranks: all of them must stop at the same step."""
        agreed = self.job.ranks.largest(stop.signal or 0)
        stop.signal = agreed or stop.signal
        return agreed > 0

    @property
    def _is_save_due(self) -> bool:
        if self.config.save_every_steps is not None:
            return self._is_due(self.config.save_every_steps)
        return self._is_due(self.eval_every) or self._is_due(SAVE_EVERY_STEPS)

    def _validate(self, stop: StopRequest) -> None:
        if self.job.validate is None:
            return
        with self._validating():
            found = self.job.validate(stop, self.config.clips_of(self.job.validate.clips))
        if found is not None:
            self._update_best(found)
            self._hint(self.job.validate.clips)

    def _hint(self, split: int) -> None:
        """Print once that validations are expensive, and how to make them cheaper."""
        clips = self.config.clips_of(split)
        hint = validation_hint(self.state, clips, split, self.eval_every)
        if hint and not self._has_hinted:
            self._has_hinted = True
            self.watcher.noted(hint)

    @contextmanager
    def _validating(self) -> Iterator[None]:
        began = time.monotonic()
        with self.stepper.gathered_parameters():
            self.model.eval()
            yield
            self.model.train()
        self.state.validate_s += time.monotonic() - began

    def _update_best(self, found: Validation) -> None:
        state, order = self.state, found.order(self.job.measure)
        state.validated_step = state.step
        self.averages.validated(state.step, self._save_weights)
        is_best = state.best is None or order < state.best.order(self.job.measure)
        if is_best:
            state.best, state.best_step = found, state.step
            self._save_weights(self.run.best)
        state.worse_in_a_row = 0 if is_best else state.worse_in_a_row + 1
        patience = self.config.patience
        state.stopped_early = patience is not None and state.worse_in_a_row >= patience
        epoch = state.step / self.job.steps_per_epoch
        values = {f"validation_{key}": value for key, value in asdict(found).items()}
        self._log(MetricsLine(state.step, epoch=epoch, **values))
        self.watcher.validated(state.step, found, is_best)

    def _log(self, line: MetricsLine) -> None:
        if self.job.ranks.is_main:
            append_line(self.run.metrics, line)
        if self.trackers:
            values = plain_values(line)
            self.trackers.log(values.pop("step"), values)

    def _is_due(self, every: int) -> bool:
        step = self.state.step
        return step > 0 and (step % every == 0 or step == self.total_steps)

    def _save(self) -> None:
        self.state.micro_batch_size = self.stepper.micro_batch_size
        self._note_peak_memory()
        folder = checkpoints.step_folder(self.run.checkpoints, self.state.step)
        memory = optimizer_tensors(self.stepper.raw_optimizer, self.parameters)
        files = {checkpoints.TRAINED: self.parameters, checkpoints.OPTIMIZER: memory}
        files |= {checkpoints.AVERAGE: self.averages.ema} if self.averages.ema else {}
        self._write(folder, files, self.state)
        if self.job.ranks.is_main:
            write_json(self.run.state, self.state)
            checkpoints.keep_newest(self.run.checkpoints)

    def _note_peak_memory(self) -> None:
        peak = peak_memory_bytes(self.model.device)
        self.state.peak_memory_bytes = max(self.state.peak_memory_bytes, peak)

    def _save_weights(self, folder: Path) -> None:
        self._write(folder, {checkpoints.TRAINED: self.parameters}, BestState(self.state.step))

    def _write(
        self, folder: Path, files: dict[str, dict[str, Tensor]], state: State | BestState
    ) -> None:
        """Write files by the main rank; when it returns, every rank may read them."""
        is_main = self.job.ranks.is_main
        whole = {name: on_main(tensors, is_main) for name, tensors in files.items()}
        if is_main:
            checkpoints.save(folder, whole, state)
        self.job.ranks.wait()

    @property
    def parameters(self) -> dict[str, Tensor]:
        return self.stepper.parameters

    def _resume(self) -> None:
        is_main = self.job.ranks.is_main
        found = checkpoints.newest_whole(self.run.checkpoints) if is_main else (None, [])
        folder, damaged = self.job.ranks.from_main(found)
        for line in damaged:
            self.watcher.noted(line)
        if folder is not None:
            trained = checkpoints.read_tensors(folder, checkpoints.TRAINED)
            with self.stepper.gathered_parameters():
                load_trained(self.model, trained, str(folder))
            memory = checkpoints.read_tensors(folder, checkpoints.OPTIMIZER)
            restore_optimizer(self.stepper.raw_optimizer, self.parameters, memory)
            if self.averages.ema:
                self.averages.restore(checkpoints.read_tensors(folder, checkpoints.AVERAGE))
            self.state = State.read(folder / checkpoints.STATE)
            self._keep_fitting(self.state.micro_batch_size)
        if is_main:
            rewind(self.run.metrics, self.state.step)
            checkpoints.remove_newer(self.run.validations, self.state.step)

    def _keep_fitting(self, micro_batch_size: int) -> None:
        """Keep the micro-batch size that fitted before, or a smaller one from the settings."""
        asked = self.config.micro_batch_size
        if asked is not None and asked > micro_batch_size:
            self.watcher.noted(
                f"going on with micro-batches of {micro_batch_size}, as the run's newest "
                f"checkpoint, not of {asked}: they can become smaller, but not larger"
            )
        self.stepper.micro_batch_size = min(self.stepper.micro_batch_size, micro_batch_size)

    def _finish(self, stop: StopRequest) -> None:
        self._save_weights(self.run.final)
        if self.job.validate is None:
            self._save_weights(self.run.best)
            return
        checkpoints.require_whole(self.run.best)  # what record.json will say is there
        if facts := taken_before(self.run.best, self.state.step):
            self.state = with_taken(self.state, facts)
            return
        self.state = with_kept(self.state, self.run.best, self.watcher.noted)
        if not self.state.best or self.config.decodes_best_again(self.job.validate.clips):
            self._score_best(self.job.validate, stop)
        if self.config.has_averages:
            self._take_best_of(stop)

    def _score_best(self, validate: Validator, stop: StopRequest) -> None:
        """Decode the whole split at 30 s with the best weights.

        The values of a sweep are chosen by this score. The test is decoded alike: shorter contexts
        would favour values that do badly at 30 s.
        """
        best = checkpoints.read_tensors(self.run.best, checkpoints.TRAINED)
        found = self._decoded(best, str(self.run.best), stop)
        self.state.best = replace(found, loss=self.state.best.loss if self.state.best else None)
        self._note_peak_memory()
        measure = self.job.measure
        self.watcher.noted(
            f"best weights, step {self.state.best_step:,}: {measure.upper()} "
            f"{found.rate(measure):.1%} on all {validate.clips} validation clips at 30 s"
        )

    def _take_best_of(self, stop: StopRequest) -> None:
        """Decode the same with each average, and let the best of all be the best weights."""
        facts, weights = best_of(
            self.state,
            self.averages,
            lambda tensors, origin: self._decoded(tensors, origin, stop),
            self.job.measure,
            self.watcher.noted,
        )
        if weights:
            files = {checkpoints.TRAINED: weights}
            self._write(self.run.best, files, BestState(self.state.step, facts))
        self.state = with_taken(self.state, facts)

    def _decoded(self, tensors: dict[str, Tensor], origin: str, stop: StopRequest) -> Validation:
        """Return the rates of these weights, which stay in the model, on the whole split at 30 s.

        Raises Preempted or Interrupted when a signal asks to stop.
        """
        assert self.job.validate is not None
        with self._validating():
            load_trained(self.model, tensors, origin)
            found = self.job.validate.at_full_context(stop)
        if found is None:
            self._is_stopped(stop)
            raise self._stopped(stop)
        return found

    def _stopped(self, stop: StopRequest) -> Preempted:
        kind = Interrupted if stop.is_interrupt else Preempted
        return kind(
            f"stopped by {stop.name} after step {self.state.step:,} of {self.total_steps:,}; the "
            f"checkpoint is in {self.run.checkpoints}; give the same command again to continue"
        )
