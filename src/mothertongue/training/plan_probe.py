"""The costs of an experiment on this machine: a few of its steps, in a process of their own.

They go through the training loop itself, with a validation at the end, on the run's own base and
clips; nothing of it is kept.
"""

import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mothertongue.config import parse
from mothertongue.errors import MothertongueError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.defaults import in_precision, settled
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.validation import Validation
from mothertongue.model.context import FRAMES_PER_S, FULL_CONTEXT_S
from mothertongue.model.devices import best_device, dtype_of, free_memory_bytes, peak_memory_bytes
from mothertongue.model.flops import training_flops
from mothertongue.strategies.base import Whisper, trained_parameters
from mothertongue.system.json_files import built, to_json
from mothertongue.system.processes import ChildError, answer, ask
from mothertongue.training.batch import Batch
from mothertongue.training.bucketing import Step
from mothertongue.training.dataset import StepDataset
from mothertongue.training.loop import TrainingInputs, train
from mothertongue.training.plan_estimate import Measured, estimate
from mothertongue.training.precision import chosen_precision
from mothertongue.training.progress import Quiet
from mothertongue.training.records import Plan
from mothertongue.training.run import Work, assemble, open_data, refuse_unfit
from mothertongue.training.signals import StopRequest
from mothertongue.training.validator import SplitValidator

PROBED_STEPS = 5
APART = 0.05  # steps whose operations differ by less are alike
FULL_STEPS = 5  # steps at 30 s, to know their share of an epoch
SPEED_EPOCHS = 10  # in one of them a clip is at its slowest: in 98 % of cases, 1 - 0.67^10
TOKENS_APART = 8  # label lengths are counted so coarsely: then few are different


def plan(experiment: Experiment) -> Plan:
    """Measure a few steps of an experiment, and return its costs: time, memory and disk.

    Raises what training would raise: for settings, data or a base that do not fit.
    """
    refuse_unfit(experiment)
    experiment = settled(experiment)
    return estimate(measure(experiment), experiment)


def measure(experiment: Experiment) -> Measured:
    """Run the probe in a child process, whose peak of memory is its own.

    It computes in the precision that the run would choose. Raises what training would, and
    MothertongueError where the probe was killed for its memory.
    """
    if choice := chosen_precision(experiment):
        experiment = in_precision(experiment, choice.precision)
    free = free_memory_bytes(best_device())
    try:
        reply = ask(__name__, experiment.model_dump(mode="json"))
    except ChildError as error:
        if str(error) != "SIGKILL":
            raise MothertongueError(f"the probe ended with {error}; see above") from None
        raise MothertongueError(
            f"the probe was killed, most likely for its memory ({free / 1e9:.1f} GB were free);"
            " give a train.micro_batch_size, train.gradient_checkpointing=true, a strategy "
            "that trains less, or a smaller base"
        ) from None
    return built(reply, "the reply of the probe", Measured)


def probe(experiment: Experiment) -> Measured:
    """The steps, in this process, which must do nothing else."""
    began, free, timer = time.monotonic(), free_memory_bytes(best_device()), _Timer()
    base, utterances = open_data(experiment)
    with TemporaryDirectory(prefix="mothertongue-plan-") as home:
        # What other runs stored would hide what it takes to store it.
        os.environ["MOTHERTONGUE_CACHE"] = home
        work = assemble(experiment, base, utterances, timer.noted)
        model, dataset, frozen = base.model, work.dataset, work.job.frozen
        trained = sum(each.numel() for each in trained_parameters(model).values())
        epochs = first_epochs(dataset)
        steps = [step for epoch in epochs for step in epoch]
        context_s, full_context_s = context_sums(epochs)
        flops = step_flops(model, dataset, steps, experiment.train.gradient_checkpointing)
        chosen = distinct(flops)
        start_s = time.monotonic() - began
        validator = _timed_validator(work)
        job = replace(_few_steps(work, chosen), validate=validator)
        # The averages' memory and time are estimated: they need no probe.
        once = {"epochs": 1, "validation_clips": "all", "eval_every_steps": None}
        once |= {"ema": None, "average_last": None}
        config = experiment.train.model_copy(update=once)
        state = train(model, job, config, RunDir(Path(home)), timer)
    # The first warms up.
    pairs = list(zip([flops[i] for i in chosen * 2], timer.step_s[1:], strict=True))
    has_store = frozen is not None and frozen.store is not None
    bytes_per_value = dtype_of(experiment.train.precision, model.device).itemsize
    return Measured(
        device=str(best_device()),
        precision=str(dtype_of(experiment.train.precision, model.device))[6:],
        trained=trained,
        parameters=sum(each.numel() for each in model.parameters()),
        clips=dataset.num_own,
        audio_s=sum(each.duration_s for each in dataset.utterances[: dataset.num_own]),
        step_flops=tuple(flops),
        step_is_full=tuple(is_full(step) for step in steps),
        context_s=context_s,
        full_context_s=full_context_s,
        computed=tuple(pairs[: len(chosen)] if has_store else pairs),
        read=tuple(pairs[len(chosen) :] if has_store else ()),
        stored_bytes_per_s=FRAMES_PER_S * model.config.d_model * bytes_per_value,
        start_s=start_s,
        validation_clips=work.job.validate.clips if work.job.validate else 0,
        validation_clip_s=validator.training_clip_s if validator else 0.0,
        final_clip_s=validator.final_clip_s if validator else 0.0,
        micro_batch_size=state.micro_batch_size,
        peak_memory_bytes=peak_memory_bytes(model.device),
        free_memory_bytes=free,
        planned_epochs=len(epochs),
    )


def first_epochs(dataset: StepDataset) -> list[list[Step]]:
    """The first epoch's steps, or those of as many epochs as have FULL_STEPS steps at 30 s.

    One epoch of a small corpus may have none of them, which need the most memory. Where
    augmentation changes the speed, the longest clips may not be slowed in one epoch.
    """
    config = dataset.config
    an_epoch = (config.padded_share or config.join_share) * dataset.steps_per_epoch
    is_mixed = config.context == "bucket" and an_epoch > 0
    enough = math.ceil(FULL_STEPS / an_epoch) if is_mixed else 1
    if config.augment.speed is not None:
        enough = max(enough, SPEED_EPOCHS)
    return [dataset.plan(epoch) for epoch in range(min(enough, config.num_epochs))]


def context_sums(epochs: Sequence[Sequence[Step]]) -> tuple[int, int]:
    """Return the seconds of context of an epoch, and those of its steps at 30 s; their means."""
    steps = [step for epoch in epochs for step in epoch]
    every, full = (
        sum(each.context_s * len(each.rows) for step in chosen for each in step)
        for chosen in (steps, filter(is_full, steps))
    )
    return every // len(epochs), full // len(epochs)


def step_flops(
    model: Whisper, dataset: StepDataset, steps: Sequence[Step], recomputes: bool
) -> list[float]:
    """Floating-point operations of each step, forward and backward, with nothing stored."""

    @cache
    def of_clip(context_s: int, tokens: int) -> float:
        return training_flops(model, FRAMES_PER_S * context_s, tokens, recomputes)

    def of_step(step: Step) -> float:
        total = 0.0
        for each in step:
            longest = max(map(dataset.label_length, each.rows)) - 1
            tokens = -(-longest // TOKENS_APART) * TOKENS_APART
            total += len(each.rows) * of_clip(each.context_s, tokens)
        return total

    return [of_step(step) for step in steps]


def distinct(flops: Sequence[float]) -> list[int]:
    """A few steps from the cheapest to the dearest, no two of them alike."""
    order = np.argsort(flops)
    places = np.linspace(0, len(order) - 1, PROBED_STEPS).round().astype(int)
    chosen: list[int] = []
    for index in order[places][::-1].tolist():
        if not chosen or flops[index] < (1 - APART) * flops[chosen[-1]]:
            chosen.append(index)
    return chosen[::-1]


def _few_steps(work: Work, chosen: list[int]) -> TrainingInputs:
    """A job of the chosen steps, each twice, after one to warm up."""
    others = [i for i in range(work.dataset.steps_per_epoch) if i not in chosen] or chosen
    order = [others[len(others) // 2], *chosen, *chosen]

    def steps_from(step: int) -> Iterator[list[Batch]]:
        for i in order[step:]:
            batches = work.dataset[i]
            if isinstance(batches, MothertongueError):
                raise batches
            yield batches

    return replace(work.job, steps_per_epoch=len(order), steps_from=steps_from)


def _timed_validator(work: Work) -> "_TimedValidator | None":
    """The job's validator, on one batch of its clips."""
    validate = work.job.validate
    if not isinstance(validate, SplitValidator):
        return None
    return _TimedValidator(validate.of_clips(validate.decode.batch_size))


class _TimedValidator:
    """Keeps the seconds a clip takes in mid-training, and at 30 s after the last step."""

    def __init__(self, validate: SplitValidator) -> None:
        self.validate, self.training_clip_s, self.final_clip_s = validate, 0.0, 0.0

    @property
    def clips(self) -> int:
        return self.validate.clips

    def __call__(self, stop: StopRequest, clips: int) -> Validation | None:
        began = time.monotonic()
        found = self.validate(stop, clips)
        self.training_clip_s = (time.monotonic() - began) / clips
        return found

    def at_full_context(self, stop: StopRequest) -> Validation | None:
        began = time.monotonic()
        found = self.validate.at_full_context(stop)
        self.final_clip_s = (time.monotonic() - began) / self.clips
        return found


class _Timer(Quiet):
    """Seconds from step to step, data loading included."""

    def __init__(self) -> None:
        self.step_s: list[float] = []

    def begun(self, step: int, total_steps: int) -> None:
        self.last = time.monotonic()

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        now = time.monotonic()
        self.step_s.append(now - self.last)
        self.last = now


def is_full(step: Step) -> bool:
    """Return whether a step runs at 30 s."""
    return all(each.context_s == FULL_CONTEXT_S for each in step)


if __name__ == "__main__":
    answer(lambda request: to_json(probe(parse(Experiment, request, "request"))))
