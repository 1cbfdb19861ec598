"""Estimate the costs of a grid before it runs, as `plan` does for each of its runs."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from statistics import fmean

from transformers import WhisperConfig

from mothertongue.comparison.average_count import counted_averages
from mothertongue.comparison.dry_run_records import DryRun, PlannedRun
from mothertongue.comparison.grid import Candidate, Grid, LanguageData, expand
from mothertongue.comparison.halving import first_seed, refuse_idle, uncut
from mothertongue.comparison.reuse import Noted, missing_data, refuse_flaws
from mothertongue.data.manifest import read_data
from mothertongue.errors import ConfigError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.defaults import TrainingClips, settled_for
from mothertongue.model.devices import best_device
from mothertongue.model.load import base_config
from mothertongue.model.locate import is_on_disk
from mothertongue.training.plan_estimate import Measured, begun_s, estimate
from mothertongue.training.plan_probe import measure
from mothertongue.training.plan_shape import ClipSizes, applied, by_shape, flops_per_s, sizes_of

ASSUMED_S, ASSUMED_TOKENS = 12.0, 60  # of a clip where the data is not there: FLEURS-like
FREE = ("seed", "learning_rate", "warmup_ratio", "weight_decay", "max_grad_norm", "patience")
"""The settings of `train` that change no costs: runs that differ in them are measured once."""


def dry_run(grid: Grid, advance: Callable[[int], None], noted: Noted = lambda _: None) -> DryRun:
    """Return every run with its trained parameters, steps, time and memory on this device.

    The runs are measured as by `plan`. Where the base or the data of a run is not on this machine,
    its costs are estimated from the shape of the base, without validations. Scoring comes on top;
    of the averages of weights, the clips to decode are counted.
    Raises what the comparison would raise before it trains, as far as its data is there;
    ConfigError where data is neither there nor described by `rows`; and what `plan` raises.
    """
    config, expanded = base_config(grid.base), expand(grid)
    refuse_flaws(grid, expanded, config, noted)
    clips = {name: _clips(name, place) for name, place in grid.languages.items()}
    sizes = {
        name: TrainingClips(e.count, e.count * fmean(e.durations_s)) for name, e in clips.items()
    }
    every = [
        replace(each, experiment=settled_for(each.experiment, sizes[each.language], config))
        for each in expanded
    ]
    if grid.halving:
        refuse_idle(grid.halving, first_seed(grid, every))
    candidates = list({each.experiment.name: each for each in every}.values())
    sure = uncut(every, grid.halving) if grid.halving else {each.experiment.name for each in every}
    is_base_here = is_on_disk(grid.base)
    assumed = {name for name, place in grid.languages.items() if not place.is_there}
    trained = {f"languages.{name}.data" for name in grid.languages}
    measured, model_of = _measured(), cache(lambda strategy: applied(strategy, config))
    speed = cache(lambda: _speed(candidates[0], clips, config))
    runs, epochs = [], Counter[Measured]()
    for each in candidates:
        is_measured = is_base_here and each.language not in assumed
        if is_measured:
            found = measured(each.experiment)
        else:
            model = model_of(each.experiment.strategy)
            found = by_shape(*model, clips[each.language], each.experiment.train, speed())
        run = _run(each, found, is_measured, epochs[found])
        epochs[found] += each.experiment.train.num_epochs
        runs.append(run if run.name in sure else replace(run, least_s=_least_s(grid, each, found)))
        advance(1)
    return DryRun(
        grid=grid.name,
        base=grid.base,
        protocol=grid.protocol,
        device=str(best_device()),
        assumed_data=sorted(assumed),
        runs=runs,
        averages=list(counted_averages(grid, candidates, config)),
        missing_sets=[key for key, _ in missing_data(grid) if key not in trained] or None,
    )


def _measured() -> Callable[[Experiment], Measured]:
    """Return `measure` for several runs: those that differ in the settings FREE share one."""
    found: dict[str, Measured] = {}

    def measured(experiment: Experiment) -> Measured:
        settings = experiment.model_dump(mode="json", exclude={"name": True, "train": set(FREE)})
        key = json.dumps(settings, sort_keys=True)
        if key not in found:
            found[key] = measure(experiment)
        return found[key]

    return measured


def _speed(first: Candidate, clips: dict[str, ClipSizes], config: WhisperConfig) -> float:
    return flops_per_s(config, clips[first.language], first.experiment.train)


def _run(
    candidate: Candidate, measured: Measured, is_measured: bool, earlier_epochs: int
) -> PlannedRun:
    """Return a run with its costs; `earlier_epochs` of other runs have stored what it reads."""
    plan = estimate(measured, candidate.experiment, earlier_epochs)
    return PlannedRun(
        name=plan.name,
        language=candidate.language,
        strategy=candidate.arm,
        settings=candidate.settings,
        seed=candidate.seed,
        is_measured=is_measured,
        steps=plan.epochs * plan.steps_per_epoch,
        trainable_parameters=plan.trainable_parameters,
        training_s=plan.training_s,
        validation_s=plan.validation_s,
        peak_memory_bytes=plan.peak_memory_bytes,
        fits=plan.fits,
    )


def _least_s(grid: Grid, candidate: Candidate, measured: Measured) -> float:
    """Return the seconds of a run that halving cuts as early as it can."""
    if grid.halving is None or candidate.seed != grid.seeds[0]:
        return 0.0
    return begun_s(measured, candidate.experiment.train, grid.halving.first_epochs)


def _clips(name: str, place: LanguageData) -> ClipSizes:
    if place.is_there:
        train = [each for each in read_data(place.manifests) if each.split == "train"]
        if not train:
            raise ConfigError(f"languages.{name}.data: no utterance in split 'train'")
        return sizes_of(train)
    if place.rows is None:
        missing = ", ".join(str(path) for path in place.manifests if not path.exists())
        raise ConfigError(
            f"languages.{name}: {missing} is not there; make it with mothertongue prepare, or "
            "state rows: [train, validation, test] for a dry run"
        )
    return ClipSizes(place.rows[0], [ASSUMED_S], ASSUMED_TOKENS)
