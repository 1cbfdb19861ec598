"""The costs of an experiment on this machine: time, memory and disk."""

from mothertongue.experiment.config import Experiment
from mothertongue.experiment.defaults import in_precision, settled
from mothertongue.training.plan_estimate import estimate
from mothertongue.training.plan_probe import measure
from mothertongue.training.precision import chosen_precision
from mothertongue.training.records import Plan


def plan(experiment: Experiment) -> Plan:
    """Measure a few steps of an experiment, and return its costs.

    Raises what training would raise: for settings, data or a base that do not fit.
    """
    experiment = settled(experiment)
    if choice := chosen_precision(experiment):
        experiment = in_precision(experiment, choice.precision)
    return estimate(measure(experiment), experiment)
