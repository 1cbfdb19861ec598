"""Plan of an experiment's time, memory and disk on this machine, from a few of its steps."""

from typing import Any

from mothertongue.experiment.config import Experiment
from mothertongue.experiment.defaults import settled
from mothertongue.training.plan_estimate import estimate
from mothertongue.training.plan_probe import measure


def plan(experiment: Experiment) -> dict[str, Any]:
    """Parameters, time an epoch, peak memory and disk, as JSON values.

    Raises what training would raise: for settings, data or a base that do not fit.
    """
    experiment = settled(experiment)
    measured = measure(experiment)
    return {
        "name": experiment.name,
        "base": experiment.base,
        "strategy": experiment.strategy.model_dump(mode="json"),
        "batch_size": experiment.train.batch_size,
        **estimate(measured, experiment.train),
    }
