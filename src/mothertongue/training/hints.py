"""Tell before training what will do less than it says: devices that wait, clips left alone."""

from collections.abc import Callable

from mothertongue.data.augment.config import allowed
from mothertongue.training.bucketing import idle_share
from mothertongue.training.dataset import StepDataset

MOST_IDLE = 0.05


def give_hints(dataset: StepDataset, noted: Callable[[str], None]) -> None:
    """Pass to `noted` a sentence for each of them."""
    _tell_idle(dataset, noted)
    _tell_too_long(dataset, noted)
    _tell_unjoined(dataset, noted)


def _tell_idle(dataset: StepDataset, noted: Callable[[str], None]) -> None:
    idle = idle_share(dataset.plan(0), dataset.ranks)
    if idle > MOST_IDLE:
        noted(
            f"the {dataset.ranks} devices wait for each other {idle:.0%} of the time; give a "
            f"larger train.batch_size, a multiple of {dataset.ranks}"
        )


def _tell_too_long(dataset: StepDataset, noted: Callable[[str], None]) -> None:
    if (speed := dataset.config.augment.speed) is None:
        return
    slowest = min(speed.factors)
    too_long = sum(allowed(slowest, each.duration_s) != slowest for each in dataset.utterances)
    if too_long:
        noted(
            f"train.augment.speed: {too_long:,} of {len(dataset.utterances):,} clips are not "
            f"slowed by {slowest:g}: they would be longer than 30 s"
        )


def _tell_unjoined(dataset: StepDataset, noted: Callable[[str], None]) -> None:
    clips = dataset.clips(0)
    asked, found = dataset.joiner.asked(clips, 0), len(dataset.joiner.steps(clips, 0))
    if found < asked:
        noted(
            f"train.join_share={dataset.config.join_share:g}: {found:,} of {asked:,} steps have "
            "joined clips in the first epoch; the others find no clip of the same speaker that "
            "fits beside them in 30 s"
        )
