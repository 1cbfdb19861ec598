"""Files that nobody should decode in the process that needs their samples."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from bad_decoders import write_bad
from clips import tone, write_clip

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import AudioError, load_audio
from mothertongue.data.sandbox.bounds import Bounds
from mothertongue.data.sandbox.pool import Sandbox

Open = Callable[..., Sandbox]
OTHERS: set[int] = set()
"""The workers of other tests' servers, which this process may still have."""


@pytest.fixture
def opened(bad_task: str) -> Iterator[Open]:
    """Sandboxes of workers that do what a bad file says."""
    OTHERS.clear()
    OTHERS.update(workers())
    with ExitStack() as stack:
        yield lambda **bounds: stack.enter_context(Sandbox(bad_task, Bounds(**bounds)))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "good.wav", tone())


def samples(sandbox: Sandbox, path: Path, **span: Any) -> np.ndarray:
    found = [*sandbox.answers(Span(path, **span))]
    return np.concatenate([block_N for _, arrays in found for block_N in arrays])


def workers() -> set[int]:
    found = psutil.Process().children()
    return {
        each.pid for each in found if "mothertongue.data.sandbox.worker" in each.cmdline()
    } - OTHERS


# (what the file does, the code, what the message says, the bounds)
BAD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "crash": ("AUD-CORRUPT", r"bad.wav: its decoder crashed \(SIGSEGV\); export", {}),
    "hush": ("AUD-CORRUPT", r"bad.wav: its decoder crashed \(SIGKILL\)", {}),
    "babble": ("AUD-CORRUPT", r"bad.wav: its decoder gave an answer that is none", {}),
    "fail": ("AUD-CORRUPT", r"bad.wav: its decoder failed with RuntimeError: nobody foresaw", {}),
    "spin": ("AUD-COSTLY", r"bad.wav: .* 0.5 s of processor time", {"processor_s": 0.5}),
    "flood": ("AUD-COSTLY", r"bad.wav: .* 0.5 s of processor time", {"processor_s": 0.5}),
    "hang": ("AUD-COSTLY", r"bad.wav: .* no sound within 0.5 s", {"wait_s": 0.5}),
    "hoard": ("AUD-COSTLY", r"bad.wav: takes too much memory", {"memory_bytes": 10**8}),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_costs_itself_alone(
    opened: Open, good: Path, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, message, bounds = BAD[what]
    sandbox = opened(**bounds)
    with pytest.raises(AudioError, match=message) as caught:
        samples(sandbox, write_bad(good.with_name("bad.wav"), what))
    assert caught.value.code == code
    assert caught.value.reason.startswith(str(good.parent))
    np.testing.assert_array_equal(samples(sandbox, good), load_audio(good))
    assert capfd.readouterr() == ("", "")


def test_one_worker_takes_many_files(opened: Open, good: Path) -> None:
    sandbox, seen = opened(), set()
    for _ in range(3):
        samples(sandbox, good)
        with pytest.raises(AudioError, match="AUD-MISSING"):
            samples(sandbox, good.with_name("not there.wav"))
        with pytest.raises(AudioError, match="AUD-LONG"):
            samples(sandbox, good, max_duration_s=0.5)
        seen |= workers()
    assert len(seen) == 1
    assert not sandbox.busy


def test_a_worker_that_died_without_a_file_is_replaced(opened: Open, good: Path) -> None:
    sandbox = opened()
    samples(sandbox, good)
    (pid,) = workers()
    psutil.Process(pid).kill()
    sandbox.idle[0].process.wait()
    assert len(samples(sandbox, good)) == 16_000
    assert workers() and pid not in workers()


def test_what_is_left_half_read_leaves_no_worker_behind(opened: Open, good: Path) -> None:
    sandbox = opened()
    answers = sandbox.answers(Span(good))
    next(answers)
    answers.close()
    assert not workers()
    assert len(samples(sandbox, good)) == 16_000


def test_the_end_of_the_sandbox_ends_what_hangs_in_it(opened: Open, good: Path) -> None:
    sandbox = opened()
    samples(sandbox, good)
    bad = write_bad(good.with_name("bad.wav"), "hang")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(samples, sandbox, bad)
        while not (sandbox.busy and next(iter(sandbox.busy)).is_busy):
            time.sleep(0.01)
        sandbox.__exit__()
        assert isinstance(waiting.exception(), AudioError)
    assert not workers()
    with pytest.raises(AudioError, match="not decoded"):
        samples(sandbox, good)


def test_a_fifo_is_no_file(opened: Open, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"AUD-FILE: .*a.wav"):
        samples(opened(), tmp_path / "a.wav")


def test_threads_share_a_sandbox(opened: Open, tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{i}.wav", tone(hertz=200 + i)) for i in range(20)]
    sandbox, expected = opened(), [load_audio(each) for each in clips]
    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(lambda path: samples(sandbox, path), clips)]
    np.testing.assert_array_equal(found, expected)
    assert len(workers()) <= 2
