import io
from dataclasses import replace
from typing import Any

import pytest
from measured import MEASURED
from rich.console import Console

from mothertongue.experiment.config import Experiment
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.report.tables.plan_tables import plan_table
from mothertongue.strategies.full import Full
from mothertongue.training.plan_estimate import Measured, epoch_s, estimate
from mothertongue.training.records import Plan

EXPERIMENT = Experiment(name="x", language="sw", data="data", strategy=Full())
STORED = replace(MEASURED, read=((10.0, 1.0), (30.0, 2.0), (90.0, 5.0)))


def planned(measured: Measured, train: TrainConfig) -> Plan:
    return estimate(measured, EXPERIMENT.model_copy(update={"train": train}))


def test_a_step_takes_what_its_neighbours_took() -> None:
    assert epoch_s(MEASURED, TrainConfig(), 0) == pytest.approx(2 + 3 + 4 + 10)
    assert epoch_s(MEASURED, TrainConfig(), 5) == pytest.approx(19)


def test_averages_take_disk_memory_and_validations() -> None:
    """10 weights of 4 bytes: 8 copies without averages, with two checkpoints; the moving average is
    in both. The last validations need one copy more while they are written. The split takes 50
    clips of 0.4 s.
    """
    plain = planned(MEASURED, TrainConfig(epochs=2))
    both = planned(MEASURED, TrainConfig(epochs=2, ema=0.9, average_last=5))
    last = planned(MEASURED, TrainConfig(epochs=2, average_last=5))
    assert plain.disk_bytes == 8 * 40
    assert last.disk_bytes == (8 + 6) * 40
    assert both.disk_bytes == (8 + 6 + 2) * 40
    peaks = [each.peak_memory_bytes for each in (plain, last, both)]
    assert peaks == [100, 100, 140]
    assert last.validation_s == pytest.approx(plain.validation_s + 20)
    assert both.validation_s == pytest.approx(plain.validation_s + 40)


def test_steps_measured_twice_count_by_their_mean() -> None:
    twice = replace(MEASURED, computed=(*MEASURED.computed, (10.0, 4.0)))
    assert epoch_s(twice, TrainConfig(), 0) == pytest.approx(3 + 3.5 + 4 + 10)


def test_steps_of_several_epochs_are_those_of_one_on_average() -> None:
    """Of a small corpus, in which not every epoch has a step at 30 s."""
    two = replace(
        MEASURED,
        step_flops=(10.0, 30.0, 10.0, 90.0),
        step_is_full=(False, False, False, True),
        planned_epochs=2,
    )
    assert epoch_s(two, TrainConfig(), 0) == pytest.approx((2 + 4 + 2 + 10) / 2)
    found = planned(two, TrainConfig(epochs=4))
    assert (found.steps_per_epoch, found.steps_at_30_s) == (2, 0.5)
    assert found.tflop_per_epoch == pytest.approx(70e-12)
    assert found.training_s == pytest.approx(4 * 9)


def test_only_clips_that_were_seen_at_the_same_context_are_read() -> None:
    half = TrainConfig(full_context_share=0.5)
    assert epoch_s(STORED, half, 0) == pytest.approx(19)  # nothing is stored yet
    # A step has 8 clips, of which half were seen at its context.
    assert epoch_s(STORED, half, 1) == pytest.approx(19 - 9.5 / 2**8)
    alone = replace(STORED, clips=4)
    assert epoch_s(alone, half, 1) == pytest.approx(19 / 2 + 9.5 / 2)
    none = TrainConfig(full_context_share=0.0)
    assert epoch_s(replace(STORED, step_is_full=(False,) * 4), none, 1) == pytest.approx(9.5)
    full = TrainConfig(context="full")
    assert epoch_s(replace(STORED, step_is_full=(True,) * 4), full, 1) == pytest.approx(9.5)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 2 * 50 * 0.1 + 50 * 0.4),
        ({"validation_clips": 10}, 2 * 10 * 0.1 + 50 * 0.4),
        ({"eval_every_steps": 3}, 3 * 50 * 0.1 + 50 * 0.4),  # after steps 3, 6 and 8
    ],
)
def test_validation_costs_its_clips_each_time_and_the_split_at_30_s_once(
    settings: dict[str, Any], seconds: float
) -> None:
    found = planned(MEASURED, TrainConfig(epochs=2, **settings))
    assert found.training_s == pytest.approx(38)
    assert found.validation_split_s == pytest.approx(20)
    assert found.validation_s == pytest.approx(seconds)


def test_a_step_reads_only_if_all_of_its_clips_found_room() -> None:
    """An epoch computes 200 s of context of 1,000 bytes each, and half of it finds room."""
    full = replace(STORED, step_is_full=(True,) * 4, full_context_s=200, clips=8)
    settings = {"context": "full", "prefix_cache_gb": 1e-4}
    assert epoch_s(full, TrainConfig(**settings), 1) == pytest.approx(19 - 9.5 / 2**2)
    assert epoch_s(full, TrainConfig(context="full"), 1) == pytest.approx(9.5)


def test_where_all_clips_were_decoded_at_30_s_none_is_decoded_again() -> None:
    measured = replace(MEASURED, final_clip_s=0.0)
    every = TrainConfig(epochs=2, context="full")
    assert planned(measured, every).validation_s == pytest.approx(2 * 50 * 0.1)
    some = TrainConfig(epochs=2, context="full", validation_clips=10)
    assert planned(measured, some).validation_s == pytest.approx(2 * 10 * 0.1 + 50 * 0.1)


def test_memory_and_disk() -> None:
    found = planned(STORED, TrainConfig(epochs=10))
    assert found.fits
    assert not planned(replace(STORED, free_memory_bytes=99), TrainConfig(epochs=10)).fits
    # for a while three checkpoints of weights and Adam's two moments, and the best weights
    assert found.disk_bytes == 10 * 4 * 10
    assert found.prefix_cache_bytes == pytest.approx(200_000 / 0.85, rel=1e-3)
    assert (
        planned(STORED, TrainConfig(epochs=10, prefix_cache_gb=1e-4)).prefix_cache_bytes == 100_000
    )
    assert planned(MEASURED, TrainConfig(epochs=10)).prefix_cache_bytes == 0


@pytest.mark.parametrize(
    ("settings", "fitted", "is_told"),
    [
        ({}, 8, False),
        ({}, 4, True),
        ({"micro_batch_size": 2}, 2, False),  # as asked for
        ({"micro_batch_size": 2}, 1, True),
        ({"batch_seconds": 60}, 60, False),
        ({"batch_seconds": 60}, 30, True),
    ],
)
def test_memory_ran_out_only_where_less_fitted_than_was_asked_for(
    settings: dict[str, int], fitted: int, is_told: bool
) -> None:
    found = planned(replace(MEASURED, micro_batch_size=fitted), TrainConfig(epochs=1, **settings))
    console = Console(file=io.StringIO(), width=200)
    console.print(plan_table(found))
    assert ("Memory ran out" in console.file.getvalue()) == is_told
