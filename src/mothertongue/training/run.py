"""The train verb: turn an experiment into a run's folder, from its data and base to its record."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace

from torch import nn

from mothertongue.data.augment.augmenter import sound_digests
from mothertongue.data.manifest import ROOT, Utterance
from mothertongue.data.replay import is_replayed, replay_of
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import (
    Experiment,
    refuse_other_folder,
    refuse_other_settings,
    write_experiment,
)
from mothertongue.experiment.defaults import in_precision, settled
from mothertongue.experiment.identity import (
    base_changes,
    code_changes,
    data_changes,
    decoder_changes,
    pseudo_labels,
    read_identity,
    refuse_changes,
    replay_changes,
    sound_changes,
    write_identity,
)
from mothertongue.experiment.load import open_base, take_start
from mothertongue.experiment.records import PrefixCache, RunRecord, RunSettings
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.devices import best_device
from mothertongue.model.load import Base
from mothertongue.model.precision import Choice
from mothertongue.model.sizes import known_config
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.system.environment import environment
from mothertongue.system.files import remove_folder, write_json
from mothertongue.training.dataset import StepDataset
from mothertongue.training.distributed import Ranks
from mothertongue.training.frozen_prefix import open_prefix
from mothertongue.training.fsdp import on_main
from mothertongue.training.hints import give_hints
from mothertongue.training.loop import TrainingInputs, train
from mothertongue.training.precision import chosen_precision
from mothertongue.training.progress import Watcher
from mothertongue.training.run_data import read_fitting, split_of
from mothertongue.training.state import State
from mothertongue.training.trackers import Trackers, flat
from mothertongue.training.validation import Validator
from mothertongue.training.validator import SplitValidator


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a run: its data as steps, and the job that takes them in order."""

    dataset: StepDataset
    job: TrainingInputs


def run(experiment: Experiment, run_dir: RunDir, watcher: Watcher) -> RunRecord:
    """Train, or continue training, and return the run's record; a finished run returns at once.

    Settings that the experiment leaves open get their values first (see experiment/defaults.py).

    On several devices every process calls it, and the main one writes; the folder is one that all
    can read. Raises ConfigError where the run was begun with other settings; DataError where it
    was with other data, weights or versions, or a split of the data has audio of another;
    Preempted where another of the processes died.
    """
    ranks = Ranks()
    with ranks.preempt_on_peer_failure(), run_dir.locked() if ranks.is_main else nullcontext():
        ranks.wait()  # for the lock, and for what the main rank sweeps away
        refuse_unfit(experiment)
        experiment = settled(experiment, run_dir)
        choice = ranks.from_main(chosen_precision(experiment, run_dir))
        if run_dir.is_done:
            _hold_finished(experiment, run_dir, watcher.noted)
            if ranks.is_main:  # a run that was killed right after its record
                remove_folder(run_dir.validations)
            return run_dir.read_record()
        return _run(experiment, run_dir, watcher, ranks, choice)


def _run(
    experiment: Experiment,
    run_dir: RunDir,
    watcher: Watcher,
    ranks: Ranks,
    choice: Choice | None,
) -> RunRecord:
    began = time.monotonic()
    if choice:
        experiment = in_precision(experiment, choice.precision)
    base, utterances = open_data(experiment, watcher.noted)
    if ranks.is_main:
        _begin(experiment, base, utterances, run_dir, watcher.noted, choice)
    ranks.wait()  # so that what is wrong with all of it is said once
    work = assemble(experiment, base, utterances, watcher.noted)
    _keep_start(experiment.strategy, base.model, run_dir, ranks)
    names = experiment.train.trackers if ranks.is_main else ()
    settings = flat(experiment.model_dump(mode="json"))
    with closing(Trackers(names, run_dir.path, settings, watcher.noted)) as trackers:
        state = train(base.model, work.job, experiment.train, run_dir, watcher, trackers)
    record = replace(
        run_record(experiment, base, state, ranks.count, time.monotonic() - began),
        prefix_cache=_prefix_cache(work, state),
        pseudo_labels=pseudo_labels(experiment.manifests, utterances),
        precision_s=read_identity(run_dir).precision_s,
    )
    if ranks.is_main:
        write_json(run_dir.record, record)
        remove_folder(run_dir.validations)
    return record


def refuse_unfit(experiment: Experiment) -> None:
    """Raise ConfigError where the strategy does not fit the base, if its shape is known so far.

    It is called before any data is read. Other bases are checked when they are loaded.
    """
    if known := known_config(experiment.base):
        experiment.strategy.check(known)


def open_data(
    experiment: Experiment, noted: Callable[[str], None] = lambda _: None
) -> tuple[Base, list[Utterance]]:
    """Return the base and the utterances of `read_fitting`, once it is clear that both fit."""
    utterances = read_fitting(experiment, noted)
    base = open_base(experiment)
    experiment.strategy.check(base.model.config)
    return base, utterances


def assemble(
    experiment: Experiment, base: Base, utterances: list[Utterance], noted: Callable[[str], None]
) -> Work:
    """Turn the base into the model to train, on this machine's device; return its work."""
    # On the CPU, as load_run does: what a strategy draws or decomposes must not depend on devices.
    model = experiment.strategy.apply(base.model, experiment.train.seed)
    nn.Module.to(model, best_device())
    depth = experiment.strategy.frozen_prefix(model)
    frozen = open_prefix(model, depth, experiment.train, noted)
    ranks = Ranks()
    train = split_of(utterances, "train")
    dataset = StepDataset(
        ROOT,
        [each for each in train if not is_replayed(each.id)],
        base.tokens,
        experiment.train,
        frozen.store if frozen else None,
        ranks.rank,
        ranks.count,
        [each for each in train if is_replayed(each.id)],
    )
    give_hints(dataset, noted)
    _refuse_idle_last(experiment.train, dataset.steps_per_epoch)
    validate = _validation(base, split_of(utterances, experiment.select_on), experiment, ranks)
    job = TrainingInputs(
        dataset.steps_per_epoch, dataset.steps_from, validate, experiment.measure, frozen, ranks
    )
    return Work(dataset, job)


def _keep_start(strategy: Strategy, model: Whisper, run_dir: RunDir, ranks: Ranks) -> None:
    """Save the weights that training begins with, or begin with those that were saved.

    Only where the strategy moves a part of the base into them: all else is the same everywhere.
    """
    if not strategy.moves_base:
        return
    if ranks.is_main and not run_dir.start.is_dir():
        start = on_main(trained_parameters(model), is_main=True)
        checkpoints.save(run_dir.start, {checkpoints.TRAINED: start}, {"step": 0})
    ranks.wait()
    take_start(strategy, model, run_dir)


def _refuse_idle_last(train: TrainConfig, steps_per_epoch: int) -> None:
    if train.average_last is not None and train.num_validations(steps_per_epoch) == 1:
        raise ConfigError(
            f"train.average_last={train.average_last} has no effect: the run has one validation, "
            f"after step {train.num_epochs * steps_per_epoch:,}, expected two or more; give a "
            "smaller train.eval_every_steps, or remove it"
        )


def _validation(
    base: Base, utterances: list[Utterance], experiment: Experiment, ranks: Ranks
) -> Validator | None:
    if not utterances and experiment.select_on == "test":
        raise DataError("select_on: test, but the data has no utterance in split 'test'")
    if not utterances:
        return None
    return SplitValidator(base, utterances, experiment.train, experiment.evaluate, ranks)


def _begin(
    experiment: Experiment,
    base: Base,
    utterances: Sequence[Utterance],
    run_dir: RunDir,
    noted: Callable[[str], None],
    choice: Choice | None,
) -> None:
    """Save what the run depends on, or check that it is still the same."""
    sounds = sound_digests(experiment.train.augment)
    if not run_dir.identity.is_file():
        refuse_other_folder(experiment, run_dir)
        write_experiment(experiment, run_dir)
        inputs = run_dir, base.digest, experiment.manifests, utterances
        if speeds := choice.facts() if choice else None:
            noted(f"train.precision: {experiment.train.precision}, the faster one here ({speeds})")
        given, size = experiment.train.replay, experiment.train.batch_size
        replay = replay_of(given, utterances, size) if given else None
        decoder = experiment.evaluate.digests()
        write_identity(*inputs, noted, sounds, replay, speeds, decoder)
        if found := pseudo_labels(experiment.manifests, utterances):
            noted(str(found))
        return
    refuse_other_settings(experiment, run_dir)
    changes = _changes(experiment, run_dir) + code_changes(run_dir)
    changes += base_changes(run_dir, experiment.base, base.digest) + sound_changes(run_dir, sounds)
    refuse_changes(run_dir, changes, "continued")


def _changes(experiment: Experiment, run_dir: RunDir) -> list[str]:
    """Return the changes of a run's data, and of the files with which it is validated, as text."""
    changes = data_changes(run_dir, experiment.manifests)
    changes += replay_changes(run_dir, experiment.train.replay)
    return changes + decoder_changes(run_dir, experiment.evaluate.digests())


def _hold_finished(experiment: Experiment, run_dir: RunDir, noted: Callable[[str], None]) -> None:
    """Raise where a finished run has other settings or data; report where its code was another."""
    refuse_other_settings(experiment, run_dir)
    refuse_changes(run_dir, _changes(experiment, run_dir), "used")
    noted(f"{run_dir.path} is complete; nothing to do")
    if changes := code_changes(run_dir):
        noted(
            f"it was trained by other code ({'; '.join(changes)}); to train it again give another "
            f"--out, or remove {run_dir.path}"
        )


def run_record(
    experiment: Experiment, base: Base, state: State, devices: int, wall_s: float
) -> RunRecord:
    """The record of a finished run, whose model is that of `base`."""
    parameters = trained_parameters(base.model).values()
    best = state.best
    return RunRecord(
        experiment=RunSettings.model_validate(experiment.model_dump(mode="json")),
        base_digest=base.digest,
        trainable_parameters=sum(each.numel() for each in parameters),
        parameters=sum(each.numel() for each in base.model.parameters()),
        steps=state.step,
        stopped_early=state.stopped_early,
        best_step=state.best_step or state.step,
        selected_on=experiment.select_on,
        select_by=experiment.measure,
        best_validation_wer=best.wer if best else None,
        best_validation_interval95=best.interval95 if best else None,
        best_validation_cer=best.cer if best else None,
        best_validation_cer_interval95=best.cer_interval95 if best else None,
        best_validation_loss=best.loss if best else None,
        micro_batch_size=state.micro_batch_size,
        train_s=state.train_s,
        validate_s=state.validate_s,
        last_wall_s=wall_s,
        peak_memory_bytes=state.peak_memory_bytes,
        device=base.model.device.type,
        devices=devices,
        environment=environment(),
        best_of=state.best_of,
    )


def _prefix_cache(work: Work, state: State) -> PrefixCache | None:
    """How often clips went through the frozen layers, and how often without any stored output.

    Fewer were computed than needed where other runs had stored some: the time is then shorter than
    it would be alone. None where there is no store.
    """
    if work.job.frozen is None or work.job.frozen.store is None:
        return None
    needed = work.dataset.count_contexts(state.step)
    return PrefixCache(needed, state.prefixes_computed)
