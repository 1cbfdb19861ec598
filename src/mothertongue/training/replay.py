"""The steps of an epoch that replay other languages, a pure function of seed and epoch."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from mothertongue.training.bucketing import Step


def choose_replay(languages: Sequence[str], count: int, *, seed: int, epoch: int) -> list[int]:
    """Return `count` clips for an epoch, by index into `languages`.

    The languages take turns. Each repeats its clips in one order that the seed decides: over any
    number of epochs, no clip of a language is seen more than once more than another.
    """
    clips = defaultdict[str, list[int]](list)
    for index, language in enumerate(languages):
        clips[language].append(index)
    rng = np.random.default_rng(replay_seed(seed))
    circles = [rng.permutation(clips[language]).tolist() for language in sorted(clips)]
    turns = (divmod(turn, len(circles)) for turn in range(epoch * count, (epoch + 1) * count))
    return [circles[place][turn % len(circles[place])] for turn, place in turns]


def mixed(steps: Sequence[Step], replayed: Sequence[Step], *, seed: int, epoch: int) -> list[Step]:
    """Return the steps in their order, with the replayed ones at random places."""
    rng = np.random.default_rng([replay_seed(seed), epoch])
    total = len(steps) + len(replayed)
    places = set(rng.choice(total, size=len(replayed), replace=False).tolist())
    own, others = iter(steps), iter(replayed)
    return [next(others) if place in places else next(own) for place in range(total)]


def replay_seed(seed: int) -> int:
    """Return a seed of the replay's own: without a replay, the plan stays as it is."""
    return int(np.random.SeedSequence([seed], spawn_key=(3,)).generate_state(1, np.uint64)[0])
