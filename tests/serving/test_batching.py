"""Who is decoded with whom, and when."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from mothertongue.decoding.transcript import Clip, Transcript
from mothertongue.inference.parts import Part
from mothertongue.serving.batching import Batcher, close_all
from mothertongue.serving.errors import ApiError


class Held:
    """An engine whose batches wait to be let go, one by one."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Semaphore(0)

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.batches.append([str(each.language) for each in clips])
        assert self.go.acquire(timeout=10)
        if "bad" in self.batches[-1]:
            raise RuntimeError("out of memory")
        return [Transcript(str(each.language), "sw", (), 0.0) for each in clips]


def clips(*names: str) -> list[Clip]:
    return [Clip(np.zeros(1, np.float32), name) for name in names]


def said(parts: list[Part]) -> str:
    (part,) = parts
    return part.transcript.text


async def begun(engine: Held, count: int) -> None:
    while len(engine.batches) < count:
        await asyncio.sleep(0.01)


def test_what_gathers_meanwhile_is_one_batch_and_requests_take_turns() -> None:
    async def work() -> None:
        first = batcher.submit(clips("a"))
        await begun(engine, 1)
        long = batcher.submit(clips("b1", "b2", "b3", "b4"))
        short = batcher.submit(clips("c"))
        engine.go.release(3)
        texts = [said(await each) for each in (*first, *long, *short)]
        assert texts == ["a", "b1", "b2", "b3", "b4", "c"]

    engine = Held()
    batcher = Batcher(engine, 3, 100)
    asyncio.run(work())
    assert engine.batches == [["a"], ["b1", "c", "b2"], ["b3", "b4"]]
    batcher.close()


def test_an_engine_that_waits_keeps_no_clip() -> None:
    async def work() -> "weakref.ref[np.ndarray]":
        (clip,) = clips("a")
        engine.go.release()
        (done,) = batcher.submit([clip])
        assert said(await done) == "a"
        return weakref.ref(clip.samples_N)

    engine = Held()
    batcher = Batcher(engine, 3, 100)
    samples = asyncio.run(work())
    ticks = 0
    while samples() is not None:  # the thread has the batch a moment longer than the loop
        assert (ticks := ticks + 1) < 1000
        gc.collect()
        threading.Event().wait(0.01)
    batcher.close()


def test_cancelled_clips_leave_the_queue() -> None:
    async def work() -> None:
        first = batcher.submit(clips("a"))
        await begun(engine, 1)
        gone = batcher.submit(clips("x", "y"))
        for each in gone:
            each.cancel()
        assert batcher.waiting == 0
        last = batcher.submit(clips("b"))
        engine.go.release(2)
        assert [said(await each) for each in (*first, *last)] == ["a", "b"]

    engine = Held()
    batcher = Batcher(engine, 4, 100)
    asyncio.run(work())
    assert engine.batches == [["a"], ["b"]]
    batcher.close()


def test_a_full_queue_says_when_to_come_again() -> None:
    async def work() -> None:
        first = batcher.submit(clips("a"))
        await begun(engine, 1)
        long = batcher.submit(clips("b", "c", "d", "e"))  # alone it may be longer than the queue
        with pytest.raises(ApiError) as caught:
            batcher.submit(clips("f"))
        assert caught.value.status == 503
        assert int(caught.value.headers["Retry-After"]) >= 1
        engine.go.release(9)
        await asyncio.gather(*first, *long)

    engine = Held()
    batcher = Batcher(engine, 4, 3)
    asyncio.run(work())
    batcher.close()


def test_clients_take_turns_and_then_the_requests_of_each() -> None:
    async def work() -> None:
        first = batcher.submit(clips("x"), "greedy")
        await begun(engine, 1)
        many = [batcher.submit(clips(f"g{i}", f"h{i}"), "greedy") for i in range(3)]
        one = batcher.submit(clips("a1", "a2"), "modest")
        engine.go.release(9)
        await asyncio.gather(*first, *one, *(each for job in many for each in job))

    engine = Held()
    batcher = Batcher(engine, 2, 100)
    asyncio.run(work())
    assert engine.batches == [["x"], ["g0", "a1"], ["g1", "a2"], ["g2", "h0"], ["h1", "h2"]]
    batcher.close()


def test_a_client_that_fills_the_queue_keeps_no_other_out() -> None:
    async def work() -> None:
        first = batcher.submit(clips("x"), "greedy")
        await begun(engine, 1)
        many = batcher.submit(clips("g0", "g1", "g2"), "greedy")
        with pytest.raises(ApiError):
            batcher.submit(clips("g3"), "greedy")
        one = batcher.submit(clips("a"), "modest")
        engine.go.release(9)
        await asyncio.gather(*first, *many, *one)

    engine = Held()
    batcher = Batcher(engine, 2, 3)
    asyncio.run(work())
    assert engine.batches == [["x"], ["g0", "a"], ["g1", "g2"]]
    batcher.close()


@pytest.mark.parametrize("place", range(5))
def test_a_clip_that_fails_fails_alone(place: int) -> None:
    async def work() -> None:
        first = batcher.submit(clips("a"))
        await begun(engine, 1)
        names = ["b", "c", "d", "e"]
        names.insert(place, "bad")
        jobs = batcher.submit(clips(*names))
        engine.go.release(99)
        found = await asyncio.gather(*first, *jobs, return_exceptions=True)
        assert [said(each) for each in found if isinstance(each, list)] == ["a", *"bcde"]
        assert isinstance(found[1 + place], RuntimeError)

    engine = Held()
    batcher = Batcher(engine, 5, 100)
    asyncio.run(work())
    batcher.close()


def test_an_engine_that_fails_goes_on_with_the_next_batch() -> None:
    async def work() -> None:
        engine.go.release(2)
        (failed,) = batcher.submit(clips("bad"))
        with pytest.raises(RuntimeError, match="out of memory"):
            await failed
        (done,) = batcher.submit(clips("good"))
        assert said(await done) == "good"

    engine = Held()
    batcher = Batcher(engine, 4, 3)
    asyncio.run(work())
    batcher.close()


def test_an_engine_that_does_not_end_holds_up_no_other_and_no_shutdown() -> None:
    async def work() -> None:
        stuck.submit(clips("a"))
        await begun(engine, 1)

    engine = Held()
    stuck, free = Batcher(engine, 1, 100), Batcher(Held(), 1, 100)
    asyncio.run(work())
    close_all([stuck, free], 0.05)
    free.join(10)
    assert not free._thread.is_alive()
    assert stuck._thread.is_alive()
    engine.go.release()
    stuck.join(10)
    assert not stuck._thread.is_alive()
