"""Hold the averages of a run against its best weights, after the last step.

All decode the whole validation split at 30 s: the best of several models on a part of it would look
better than it is. An average is taken if its error rate is lower, where it is equal if the other
error rate is; the loss, which orders validations in mid-training, is not computed at 30 s.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from mothertongue.data.languages import Measure
from mothertongue.experiment import checkpoints
from mothertongue.experiment.records import BestOf, Rated
from mothertongue.experiment.validation import Validation
from mothertongue.system.json_files import absent, read_json
from mothertongue.training.side_averages import LAST, SideAverages
from mothertongue.training.state import State

Tensors = dict[str, Tensor]
BEST = "best"
NAMES = {
    "ema": "moving average of the weights (train.ema)",
    "last": "mean of the last validations' weights (train.average_last)",
}


def best_of(
    state: State,
    averages: SideAverages,
    decode: Callable[[Tensors, str], Validation],
    measure: Measure,
    noted: Callable[[str], None],
) -> tuple[BestOf, Tensors]:
    """Return the rates of the best weights and of each average, with the name of the best of them,
    and its weights; no weights if these are the best weights themselves.

    `state.best` has the best weights' rates on all clips at 30 s.
    """
    assert state.best is not None
    models = {BEST: _rated(state.best, [state.best_step])}
    taken, least, weights = BEST, state.best.order(measure)[:2], Tensors()
    for name, tensors in averages.models():
        found = decode(tensors, f"the {NAMES[name]}")
        models[name] = _rated(found, [*averages.steps] if name == LAST else [state.step])
        is_better = found.order(measure)[:2] < least
        if is_better:
            taken, least, weights = name, found.order(measure)[:2], tensors
        noted(
            f"{NAMES[name]}: {measure.upper()} {found.rate(measure):.1%} on the same clips, "
            f"{'better' if is_better else 'not better'}"
        )
    return BestOf(taken, models), weights


@dataclass(frozen=True, slots=True)
class BestState:
    """The state.json of best/: the step of its weights and, where it can be one, the average."""

    step: int
    best_of: BestOf | None = absent()


def taken_before(best: Path, step: int) -> BestOf | None:
    """Return the facts of `best_of` that were saved with an average after this step.

    A run that is killed then has its average in best/ already, and no record yet. None where best/
    has the best weights of a validation.
    """
    found = read_json(best / checkpoints.STATE, BestState)
    return found.best_of if found.step == step else None


def with_kept(state: State, best: Path, noted: Callable[[str], None]) -> State:
    """Return the state with the step of the weights in best/; without their rates if it had others.

    A run that was killed goes on from a checkpoint, and best/ may be newer than that. It repeats
    the validations after the checkpoint. Where it rounds otherwise, on a GPU or another machine,
    what was the best before may not be it now; then these weights are kept, and decoded again.
    """
    step = read_json(best / checkpoints.STATE, BestState).step
    if step == state.best_step:
        return state
    noted(
        f"best/ has the weights of step {step:,}, from before this run was stopped; now the best "
        f"validation is that of step {state.best_step or 0:,}: the first are kept"
    )
    return replace(state, best=None, best_step=step)


def with_taken(state: State, facts: BestOf) -> State:
    """Return the state with what was taken as its best."""
    state = replace(state, best_of=facts)
    if facts.taken == BEST:
        return state
    found = facts.models[facts.taken]
    rates = found.wer, found.interval95, found.cer, found.cer_interval95
    return replace(state, best=Validation(*rates), best_step=state.step)


def _rated(found: Validation, steps: list[int | None]) -> Rated:
    rates = found.wer, found.interval95, found.cer, found.cer_interval95
    return Rated(*rates, steps=steps)
