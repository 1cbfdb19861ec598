"""Choose the encoder layers whose outputs a grid stores on disk if not all of them fit.

Runs that freeze n layers need the states after n. Those that find them after d < n layers compute
only the n - d between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from transformers import WhisperForConditionalGeneration

from mothertongue.comparison.grid import Candidate, Grid
from mothertongue.data.manifest import read_data
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S, context_s
from mothertongue.model.devices import best_device, dtype_of
from mothertongue.model.flops import FRAMES_PER_S
from mothertongue.model.load import base_config
from mothertongue.training.frozen_prefix import refuse_stored_changes

SHARE_PLANNED = 0.9  # of the disk that is allowed: how often clips are seen at 30 s is chance


def share_depths(grid: Grid, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the runs with the depth to start from if not all depths fit into the allowed space.

    Results do not depend on it. A run that states a prefix_depth of its own keeps it. Raises
    ConfigError where a strategy does not fit the base or augmentation.
    """
    config = base_config(grid.base)
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    depths: dict[str, int] = {}
    for each in candidates:
        each.experiment.strategy.check(config)
        depths[each.experiment.name] = each.experiment.strategy.frozen_prefix(model)
        refuse_stored_changes(each.experiment.train, depths[each.experiment.name])
    runs = {each.experiment.name: each for each in candidates if _shares(each, depths)}
    if len({depths[name] for name in runs}) < 2:
        return list(candidates)
    kept = _kept_depths(grid, runs.values(), depths, config.d_model)
    return [
        _starting(each, depths[each.experiment.name], kept)
        if each.experiment.name in runs
        else each
        for each in candidates
    ]


def plan_depths(
    needs: Mapping[int, float], bytes_per_depth: int, limit_bytes: int
) -> tuple[int, ...]:
    """Return the depths to store, ascending, so that the fewest layers are computed in total.

    `needs`: how many clips, counted as often as they are seen, need the states after n layers.
    Exact: only depths that are needed themselves can be best. Going up through them, the choice
    depends on the deepest stored so far and on how many more fit.
    """
    depths = sorted(depth for depth, need in needs.items() if depth and need)

    @cache
    def best(place: int, stored: int, room: int) -> tuple[float, tuple[int, ...]]:
        """Return the layers computed for depths[place:] above `stored`, and the depths to store."""
        if place == len(depths):
            return 0.0, ()
        depth = depths[place]
        layers, chosen = best(place + 1, stored, room)
        skipping = layers + needs[depth] * (depth - stored), chosen
        if not room:
            return skipping
        layers, chosen = best(place + 1, depth, room - 1)
        # Storing first: at equal work the lower depth serves more runs.
        return min((layers, (depth, *chosen)), skipping, key=lambda option: option[0])

    return best(0, 0, limit_bytes // bytes_per_depth)[1]


def stored_bytes(
    durations_s: Sequence[float], train: TrainConfig, width: int, bytes_per_value: int
) -> int:
    """Return the expected bytes of these clips' states after one depth.

    A clip has an entry for each context it was seen at: its own, those that jitter adds, 30 s.
    """
    cut_s = sum(context_s(each, train.context) for each in durations_s)
    jitters = train.context_jitter_s + 1
    seconds = _distinct(jitters, 1, train.num_epochs) * (
        cut_s + len(durations_s) * train.context_jitter_s / 2
    )
    if train.context == "bucket":
        at_full = _distinct(1, train.full_context_share, train.num_epochs)
        seconds += at_full * len(durations_s) * FULL_CONTEXT_S
    return round(seconds * FRAMES_PER_S * width * bytes_per_value)


def _distinct(kinds: int, share: float, draws: int) -> float:
    """Return the expected number of distinct kinds in `draws`; `share` is their total chance."""
    return kinds * (1 - (1 - share / kinds) ** draws)


def _shares(candidate: Candidate, depths: Mapping[str, int]) -> bool:
    experiment = candidate.experiment
    plans_itself = experiment.train.prefix_depth is not None or not experiment.train.prefix_cache_gb
    return depths[experiment.name] > 0 and not plans_itself


def _kept_depths(
    grid: Grid, runs: Iterable[Candidate], depths: Mapping[str, int], width: int
) -> tuple[int, ...]:
    durations_s = {
        name: [each.duration_s for each in read_data(place.manifests) if each.split == "train"]
        for name, place in grid.languages.items()
    }
    needs: dict[int, float] = {}
    sizes: dict[str, int] = {}
    limits = []
    for each in runs:
        train, clips_s = each.experiment.train, durations_s[each.language]
        depth = depths[each.experiment.name]
        needs[depth] = needs.get(depth, 0) + train.num_epochs * len(clips_s)
        value_bytes = dtype_of(train.precision, best_device()).itemsize
        size = stored_bytes(clips_s, train, width, value_bytes)
        sizes[each.language] = max(size, sizes.get(each.language, 0))
        limits.append(SHARE_PLANNED * train.prefix_cache_gb * 1e9)
    return plan_depths(needs, max(1, sum(sizes.values())), int(min(limits)))


def _starting(candidate: Candidate, depth: int, kept: Sequence[int]) -> Candidate:
    """Return the run with the deepest stored layer at or below its own depth, if any."""
    below = [each for each in kept if each <= depth]
    if depth in below:
        return candidate
    changes: dict[str, Any] = {"prefix_depth": max(below)} if below else {"prefix_cache_gb": 0.0}
    train = candidate.experiment.train.model_copy(update=changes)
    return replace(candidate, experiment=candidate.experiment.model_copy(update={"train": train}))
