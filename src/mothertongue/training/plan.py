"""The costs of an experiment on this machine: time, memory and disk.

`plan` and `compare --dry-run` show them, and `init` chooses by them.
"""

from typing import Any

from mothertongue.experiment.config import Experiment
from mothertongue.experiment.defaults import in_precision, settled
from mothertongue.training.plan_estimate import Measured, estimate
from mothertongue.training.plan_probe import measure
from mothertongue.training.precision import chosen_precision


def plan(experiment: Experiment) -> dict[str, Any]:
    """Measure a few steps of an experiment, and return its costs.

    Raises what training would raise: for settings, data or a base that do not fit.
    """
    experiment = settled(experiment)
    if choice := chosen_precision(experiment):
        experiment = in_precision(experiment, choice.precision)
    return costs(experiment, measure(experiment))


def costs(experiment: Experiment, measured: Measured) -> dict[str, Any]:
    """Return parameters, time an epoch, peak memory and disk of an experiment, as JSON values."""
    return {
        "name": experiment.name,
        "base": experiment.base,
        "strategy": experiment.strategy.model_dump(mode="json"),
        "batch_size": experiment.train.batch_size,
        **estimate(measured, experiment.train),
    }
