from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mothertongue.batches import Step, context_s, plan_epoch

CONTEXTS = st.lists(st.integers(1, 30), min_size=1, max_size=60)
SIZES = st.integers(1, 9)
SHARES = st.floats(0, 1)
SEEDS = st.integers(0, 2**32)


def plan(contexts: list[int], size: int, share: float = 0.0, seed: int = 0, epoch: int = 0):
    return plan_epoch(contexts, size, full_context_share=share, seed=seed, epoch=epoch)


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
    assert len(full) == round(share * len(steps))
    assert all(len(step) == 1 for step in full)


@settings(max_examples=60, deadline=None)
@given(CONTEXTS, SIZES, SHARES, SEEDS, st.integers(0, 50))
def test_steps_an_epoch_depend_on_the_clips_alone(contexts, size, share, seed, epoch) -> None:
    assert len(plan(contexts, size, share, seed, epoch)) == len(plan(contexts, size))


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
