from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mothertongue.experiment.train_config import BatchSize
from mothertongue.model.context import context_s
from mothertongue.training.bucketing import (
    MicroBatch,
    Step,
    choose_clips,
    clips_per_language,
    idle_share,
    plan_epoch,
    share,
)

CONTEXTS = st.lists(st.integers(1, 30), min_size=1, max_size=60)
SIZES = st.integers(1, 9)
SHARES = st.floats(0, 1)
SEEDS = st.integers(0, 2**32)
TEMPERATURES = st.floats(1, 100)
SIZES_OF_LANGUAGES = st.dictionaries(st.text("abc", min_size=2), st.integers(1, 5000), min_size=1)
LANGUAGES = st.lists(st.sampled_from(["sw", "tw", "yo", "ig"]), min_size=1, max_size=60)


def plan(contexts: list[int], size: int, share: float = 0.0, seed: int = 0, epoch: int = 0):
    return plan_of(contexts, BatchSize(size), full_context_share=share, seed=seed, epoch=epoch)


def plan_of(contexts: list[int], size: BatchSize, **settings):
    return plan_epoch(range(len(contexts)), contexts, size, **({"seed": 0, "epoch": 0} | settings))


def clips_of(step: Step) -> list[int]:
    return [index for micro_batch in step for index in micro_batch.indices]


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, SHARES, SEEDS)
def test_every_clip_once_an_epoch(contexts, size, share, seed) -> None:
    steps = plan(contexts, size, share, seed)
    assert sorted(index for step in steps for index in clips_of(step)) == [*range(len(contexts))]


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, SHARES, SEEDS)
def test_steps_have_the_batch_size_but_one(contexts, size, share, seed) -> None:
    sizes = sorted(len(clips_of(step)) for step in plan(contexts, size, share, seed))
    assert sizes[1:] == [size] * (len(sizes) - 1)
    assert 1 <= sizes[0] <= size
    assert len(sizes) == -(-len(contexts) // size)


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, SEEDS)
def test_clips_of_a_micro_batch_have_its_context(contexts, size, seed) -> None:
    for step in plan(contexts, size, seed=seed):
        for micro_batch in step:
            assert {contexts[index] for index in micro_batch.indices} == {micro_batch.context_s}
        assert len({micro_batch.context_s for micro_batch in step}) == len(step)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 29), min_size=1, max_size=60), SIZES, SHARES, SEEDS)
def test_share_of_steps_at_full_context(contexts, size, share, seed) -> None:
    steps = plan(contexts, size, share, seed)
    full = [step for step in steps if step[0].context_s == 30]
    assert abs(len(full) - share * len(steps)) < 1 + 1e-9
    assert all(len(step) == 1 for step in full)


@pytest.mark.parametrize(
    ("clips", "size", "share", "expected"),
    [(24, 8, 0.15, 4.5), (90, 32, 0.15, 4.5), (50, 8, 0.05, 3.5), (36, 8, 0.1, 5.0)],
)
def test_small_corpora_see_their_share_at_full_context(clips, size, share, expected) -> None:
    """Over 10 epochs, each of which has less than half a step of it."""
    totals = [_full_steps([3] * clips, size, share, seed) for seed in range(40)]
    assert all(abs(total - expected) < 1 + 1e-9 for total in totals)
    assert np.mean(totals) == pytest.approx(expected, abs=0.25)  # the seed favours none


def _full_steps(contexts: list[int], size: int, share: float, seed: int) -> int:
    steps = [step for epoch in range(10) for step in plan(contexts, size, share, seed, epoch)]
    return sum(step[0].context_s == 30 for step in steps)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 29), min_size=1, max_size=60), SIZES, SHARES, SEEDS)
def test_the_share_at_full_context_is_kept_over_epochs(contexts, size, share, seed) -> None:
    steps = len(plan(contexts, size))
    total = _full_steps(contexts, size, share, seed)
    assert abs(total - 10 * share * steps) < 1 + 1e-9
    if share in (0, 1):
        assert total == 10 * share * steps


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, SHARES, SEEDS, st.integers(0, 50))
def test_steps_an_epoch_depend_on_the_clips_alone(contexts, size, share, seed, epoch) -> None:
    assert len(plan(contexts, size, share, seed, epoch)) == len(plan(contexts, size))


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, SHARES, SEEDS, st.data())
def test_steps_depend_on_the_number_of_clips_not_on_which(
    contexts, size, share, seed, data
) -> None:
    clips = data.draw(st.lists(st.integers(0, len(contexts) - 1), min_size=1, max_size=60))
    steps = plan_epoch(
        clips, contexts, BatchSize(size), full_context_share=share, seed=seed, epoch=0
    )
    assert len(steps) == -(-len(clips) // size)
    assert sorted(index for step in steps for index in clips_of(step)) == sorted(clips)


def test_plan_of_the_runs_that_there_are() -> None:
    """Written down before languages were sampled: a run continues with the steps it began with."""
    assert plan([3, 4, 5, 3, 3, 4, 9], 2, 0.25, seed=7, epoch=3) == [
        (MicroBatch(4, (1, 5)),),
        (MicroBatch(30, (0, 3)),),
        (MicroBatch(9, (6,)),),
        (MicroBatch(3, (4,)), MicroBatch(5, (2,))),
    ]


@pytest.mark.parametrize(
    ("sizes", "temperature", "expected"),
    [
        ({"sw": 900, "tw": 100}, 1.0, {"sw": 900, "tw": 100}),
        ({"sw": 900, "tw": 100}, 2.0, {"sw": 750, "tw": 250}),  # roots 30 and 10
        ({"sw": 16, "tw": 4, "yo": 1}, 2.0, {"sw": 12, "tw": 6, "yo": 3}),
        ({"sw": 4, "tw": 1}, 2.0, {"sw": 3, "tw": 2}),  # 3.33 and 1.67
        ({"sw": 8, "tw": 1}, 3.0, {"sw": 6, "tw": 3}),
        ({"sw": 999, "tw": 1}, 1e9, {"sw": 500, "tw": 500}),
    ],
)
def test_clips_per_language(sizes, temperature, expected) -> None:
    assert clips_per_language(sizes, temperature) == expected


@settings(max_examples=200, deadline=None)
@given(SIZES_OF_LANGUAGES, TEMPERATURES)
def test_counts_add_up_and_are_the_nearest_to_the_law(sizes, temperature) -> None:
    counts = clips_per_language(sizes, temperature)
    total, weight = sum(sizes.values()), sum(n ** (1 / temperature) for n in sizes.values())
    assert sum(counts.values()) == total
    assert counts.keys() == sizes.keys()
    for language, size in sizes.items():
        assert counts[language] == pytest.approx(
            total * size ** (1 / temperature) / weight, abs=1 + 1e-6
        )
    assert all(counts.values())
    assert clips_per_language(sizes, 1.0) == sizes


@settings(max_examples=100, deadline=None)
@given(LANGUAGES, TEMPERATURES, SEEDS, st.integers(0, 50), st.integers(1, 6))
def test_clips_of_a_language_are_seen_equally_often(
    languages, temperature, seed, epoch, num_epochs
) -> None:
    expected = clips_per_language(Counter(languages), temperature)
    seen: Counter[int] = Counter()
    for each in range(epoch, epoch + num_epochs):
        clips = choose_clips(languages, temperature, seed=seed, epoch=each)
        assert len(clips) == len(languages)
        assert Counter(languages[i] for i in clips) == expected
        _assert_even(languages, Counter(clips))
        seen.update(clips)
    _assert_even(languages, seen)


@settings(max_examples=100, deadline=None)
@given(LANGUAGES, TEMPERATURES, SEEDS, st.integers(0, 50))
def test_as_the_data_is_every_clip_once(languages, temperature, seed, epoch) -> None:
    everyone = [*range(len(languages))]
    assert choose_clips(languages, 1.0, seed=seed, epoch=epoch) == everyone
    assert choose_clips(["sw"] * len(languages), temperature, seed=seed, epoch=epoch) == everyone


def test_which_clips_are_left_out_is_a_function_of_seed_and_epoch() -> None:
    languages = ["sw"] * 90 + ["tw"] * 10
    first = choose_clips(languages, 2.0, seed=1, epoch=2)
    assert choose_clips(languages, 2.0, seed=1, epoch=2) == first
    assert choose_clips(languages, 2.0, seed=1, epoch=3) != first
    assert choose_clips(languages, 2.0, seed=2, epoch=2) != first


@pytest.mark.parametrize("size", [1, 3, 7, 8, 16, 100])
def test_every_epoch_has_the_same_number_of_steps(size: int) -> None:
    languages = ["sw"] * 70 + ["tw"] * 17 + ["yo"] * 3
    contexts = [1 + i * i % 29 for i in range(90)]
    found = set()
    for seed in range(20):
        for epoch in range(20):
            clips = choose_clips(languages, 5.0, seed=seed, epoch=epoch)
            steps = plan_epoch(
                clips, contexts, BatchSize(size), full_context_share=0.15, seed=seed, epoch=epoch
            )
            found.add(len(steps))
    assert found == {-(-90 // size)}


def _assert_even(languages: list[str], seen: Counter[int]) -> None:
    for language in set(languages):
        counts = [seen[i] for i, other in enumerate(languages) if other == language]
        assert max(counts) - min(counts) <= 1


def test_plan_is_a_function_of_seed_and_epoch() -> None:
    contexts = [3, 4, 5, 6] * 10
    first = plan(contexts, 4, 0.2, seed=1, epoch=2)
    assert plan(contexts, 4, 0.2, seed=1, epoch=2) == first
    assert plan(contexts, 4, 0.2, seed=1, epoch=3) != first
    assert plan(contexts, 4, 0.2, seed=2, epoch=2) != first


def test_every_clip_sees_many_neighbours() -> None:
    neighbours: Counter[int] = Counter()
    for epoch in range(50):
        step = next(step for step in plan([4] * 16, 4, epoch=epoch) if 0 in clips_of(step))
        neighbours.update(set(clips_of(step)) - {0})
    assert len(neighbours) == 15


def test_order_of_contexts_is_shuffled() -> None:
    order = [step[0].context_s for step in plan([3] * 20 + [9] * 20, 2)]
    assert order != sorted(order)


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [(0.0, 1), (0.3, 1), (1.0, 1), (1.0001, 2), (4.0, 4), (4.0000005, 4), (29.2, 30), (30.0, 30)],
)
def test_context_is_rounded_up(duration_s: float, expected: int) -> None:
    assert context_s(duration_s, "bucket") == expected
    assert context_s(duration_s, "full") == 30


@pytest.mark.parametrize("context", ["bucket", "full"])
def test_clip_beyond_30_s(context) -> None:
    with pytest.raises(ValueError) as caught:
        context_s(41.2, context)
    assert str(caught.value) == "a clip of 41.20 s: Whisper takes at most 30 s"


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, st.floats(30, 200), SHARES, SEEDS, st.integers(0, 5))
def test_steps_by_seconds_hold_no_more_of_them(contexts, seconds, share, seed, epoch) -> None:
    size = BatchSize(1, seconds)
    steps = plan_of(contexts, size, full_context_share=share, seed=seed, epoch=epoch)
    assert sorted(index for step in steps for index in clips_of(step)) == [*range(len(contexts))]
    assert len(steps) == len(plan_of(contexts, size))
    for step in steps:
        if step[0].context_s < 30:
            assert sum(each.context_s * len(each.indices) for each in step) <= seconds
        for each in step:  # what goes through the model at once
            assert each.context_s * len(each.indices) <= seconds


def test_steps_by_seconds_are_filled() -> None:
    steps = plan_of([2] * 30 + [10] * 6, BatchSize(1, 60))
    assert sorted((step[0].context_s, len(clips_of(step))) for step in steps) == [(2, 30), (10, 6)]


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, SEEDS, st.integers(1, 29))
def test_jitter_adds_seconds_and_changes_nothing_else(contexts, size, seed, jitter) -> None:
    exact = plan(contexts, size, seed=seed)
    found = plan_of(contexts, BatchSize(size), context_jitter_s=jitter, seed=seed)
    assert [clips_of(step) for step in found] == [clips_of(step) for step in exact]
    for before, after in zip(exact, found, strict=True):
        for cut, more in zip(before, after, strict=True):
            assert cut.context_s <= more.context_s <= min(30, cut.context_s + jitter)


def test_jitter_reaches_every_second_of_its_range() -> None:
    steps = plan_of([4] * 400, BatchSize(1), context_jitter_s=3)
    assert {step[0].context_s for step in steps} == {4, 5, 6, 7}


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, st.integers(1, 5), SHARES)
def test_the_shares_of_the_ranks_are_the_step(contexts, size, ranks, full) -> None:
    for step in plan(contexts, size, full):
        shares = [share(step, rank, ranks) for rank in range(ranks)]
        dealt = [(each.context_s, i) for part in shares for each in part for i in each.indices]
        assert sorted(dealt) == sorted((each.context_s, i) for each in step for i in each.indices)
        largest = max(len(each.indices) for each in step)
        assert all(len(each.indices) <= largest for part in shares for each in part)


def test_one_rank_takes_the_step_as_it_is() -> None:
    step = (MicroBatch(3, (1, 2)), MicroBatch(9, (4,)))
    assert share(step, 0, 1) == step


def test_unequal_clips_are_dealt_to_equal_work() -> None:
    step = (MicroBatch(2, (5, 6)), MicroBatch(4, (7,)))
    assert share(step, 0, 2) == (MicroBatch(4, (7,)),)
    assert share(step, 1, 2) == (MicroBatch(2, (5, 6)),)


def test_micro_batches_that_were_split_for_memory_stay_so() -> None:
    step = (MicroBatch(30, (1, 2)), MicroBatch(30, (3, 4)), MicroBatch(30, (5, 6)))
    assert share(step, 0, 2) == (MicroBatch(30, (1, 3)), MicroBatch(30, (5,)))


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_devices_hardly_wait_for_each_other(ranks: int) -> None:
    contexts = np.random.default_rng(0).integers(2, 17, size=2000).tolist()
    assert idle_share(plan(contexts, 16, 0.15), ranks) < 0.05
    assert idle_share(plan(contexts, 15), ranks) > 0.05
