"""Which depths a grid stores: the best there are, and no result depends on them."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from grids import MakeGrid, Quiet, in_process
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.comparison import prefix_depths as module
from mothertongue.comparison.compare import compare
from mothertongue.comparison.grid import expand
from mothertongue.comparison.prefix_depths import plan_depths, share_depths, stored_bytes
from mothertongue.errors import ConfigError
from mothertongue.experiment.train_config import TrainConfig

NEEDS = st.dictionaries(st.integers(0, 12), st.integers(0, 50), max_size=7)
FREEZE = {"strategy": {"kind": "freeze"}, "sweep": {"strategy.encoder_layers": [1, 2]}}


def layers_computed(needs: dict[int, int], stored: tuple[int, ...]) -> int:
    return sum(
        need * (depth - max([0, *(each for each in stored if each <= depth)]))
        for depth, need in needs.items()
    )


@given(NEEDS, st.integers(0, 5))
def test_no_other_depths_compute_fewer_layers(needs: dict[int, int], room: int) -> None:
    found = plan_depths(needs, 7, 7 * room + 6)
    assert len(found) <= room
    assert list(found) == sorted(set(found))
    others = (each for size in range(room + 1) for each in combinations(range(1, 13), size))
    assert layers_computed(needs, found) == min(layers_computed(needs, each) for each in others)


def test_depths_of_a_grid_by_hand() -> None:
    """Storing 5 of {3: 10, 5: 10, 6: 10} leaves 30 + 0 + 10 layers; 3 leaves 0 + 20 + 30."""
    needs = {3: 10.0, 5: 10.0, 6: 10.0}
    assert plan_depths(needs, 100, 199) == (5,)
    assert plan_depths(needs, 100, 200) == (3, 5)
    assert plan_depths(needs, 100, 99) == ()
    assert plan_depths(needs, 100, 10_000) == (3, 5, 6)


def test_bytes_of_clips_at_their_own_length_at_30_s_and_between() -> None:
    """50 frames a second of 8 values of 2 bytes."""
    second = 50 * 8 * 2
    one = [1.5, 4.0]  # contexts of 2 and 4 s
    cut = TrainConfig(full_context_share=0.0, epochs=7)
    assert stored_bytes(one, cut, 8, 2) == second * (2 + 4)
    assert stored_bytes(one, TrainConfig(context="full", epochs=10), 8, 2) == second * 60
    half = TrainConfig(full_context_share=0.5, epochs=2)  # three in four are seen at 30 s
    assert stored_bytes(one, half, 8, 2) == second * (2 + 4 + 0.75 * 60)
    jitter = TrainConfig(full_context_share=0.0, context_jitter_s=1, epochs=2)  # 1.5 contexts each
    assert stored_bytes(one, jitter, 8, 2) == second * 1.5 * (2 + 4 + 2 * 0.5)


def grid_with_room_for(depths: float, make_grid: MakeGrid, **changes: object):
    """Freeze 1 and 2 layers of width 32, one epoch in float32."""
    grid = make_grid(strategies={"full": {"strategy": {"kind": "full"}}, "freeze": FREEZE})
    train = expand(grid)[0].experiment.train
    durations_s = [0.5 + (i * 7 % 20) / 10 for i in range(12)]
    size = stored_bytes(durations_s, train, 32, 4)
    room_gb = depths * size / module.SHARE_PLANNED / 1e9
    return grid.model_copy(update={"train": grid.train | {"prefix_cache_gb": room_gb} | changes})


def settings_of(grid) -> list[tuple[int | None, bool]]:
    trains = [each.experiment.train for each in share_depths(grid, expand(grid))]
    return [(train.prefix_depth, train.prefix_cache_gb > 0) for train in trains]


def test_runs_start_from_the_deepest_depth_there_is_room_for(make_grid: MakeGrid) -> None:
    assert settings_of(grid_with_room_for(2.5, make_grid)) == [(None, True)] * 3
    # One of them: after 1 layer, of which both runs profit; nobody is told otherwise than he is.
    assert settings_of(grid_with_room_for(1.5, make_grid)) == [
        (None, True),
        (None, True),
        (1, True),
    ]
    # None: nothing to store, and nothing to thrash
    assert settings_of(grid_with_room_for(0.5, make_grid)) == [
        (None, True),
        (None, False),
        (None, False),
    ]


def test_who_states_a_depth_keeps_it(make_grid: MakeGrid) -> None:
    strategies = {"full": FREEZE | {"train": {"prefix_depth": 1}}}
    grid = grid_with_room_for(0.5, make_grid).model_copy(
        update={"strategies": make_grid(strategies=strategies).strategies}
    )
    assert settings_of(grid) == [(1, True), (1, True)]


def test_a_strategy_that_does_not_fit_is_refused_before_anything_runs(make_grid: MakeGrid) -> None:
    grid = make_grid(strategies={"full": {"strategy": {"kind": "freeze", "encoder_layers": 3}}})
    with pytest.raises(ConfigError, match="this Whisper has 2 encoder layers"):
        share_depths(grid, expand(grid))


def test_no_result_depends_on_the_room(
    make_grid: MakeGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = []
    for room in (1.5, 2.5):
        out = tmp_path / f"{room}"
        monkeypatch.setenv("MOTHERTONGUE_CACHE", str(out / "cache"))
        compare(grid_with_room_for(room, make_grid), out, in_process, Quiet())
        metrics.append((out / "runs/sw-freeze-encoder_layers2-seed0/metrics.jsonl").read_text())
        groups = [path for path in (out / "cache/prefix").iterdir() if path.is_dir()]
        assert len(groups) == int(room)
    assert metrics[0] == metrics[1]


def test_a_grid_without_frozen_layers_is_left_alone(make_grid: MakeGrid) -> None:
    grid = make_grid(strategies={"full": {"strategy": {"kind": "full"}}})
    candidates = expand(grid)
    assert share_depths(grid, candidates) == [replace(each) for each in candidates]
