"""Files that nobody should decode in a server's own process."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import pytest
import soundfile
from bad_decoders import write_bad

from mothertongue.data.sandbox.process import Worker
from mothertongue.serving.errors import ApiError
from mothertongue.serving.limits import Limits
from mothertongue.serving.sandbox import Sandbox, Speech

Result = TypeVar("Result")
WHAT = ("crash", "nothing")


def with_sandbox(use: Callable[[Sandbox], Awaitable[Result]], **limits: Any) -> Result:
    async def work() -> Result:
        sandbox = Sandbox(Limits(**limits), 1)
        await sandbox.start()
        try:
            return await use(sandbox)
        finally:
            await sandbox.stop()

    return asyncio.run(work())


def encoded(samples_NC: np.ndarray, rate_hz: int, format_: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples_NC, rate_hz, format=format_)
    return file.getvalue()


def code(data: bytes) -> Callable[[Sandbox], Awaitable[str]]:
    async def asked(sandbox: Sandbox) -> str:
        with pytest.raises(ApiError) as caught:
            await sandbox.speech(data)
        assert caught.value.status == 400
        return caught.value.code

    return asked


def test_speech_of_a_file(recordings: list[Path]) -> None:
    found = with_sandbox(lambda sandbox: sandbox.speech(recordings[0].read_bytes()))
    assert isinstance(found, Speech)
    assert found.duration_s == pytest.approx(soundfile.info(recordings[0]).duration, abs=0.01)
    (piece,) = found.pieces
    assert 0 <= piece.start_s < piece.end_s <= found.duration_s


def test_an_hour_of_silence_in_few_bytes_is_refused_at_once() -> None:
    bomb = encoded(np.zeros((3600 * 16_000, 1), np.int16), 16_000, "FLAC")
    assert len(bomb) < 300_000
    assert with_sandbox(code(bomb)) == "AUD-LONG"


def test_memory_is_bounded(recordings: list[Path]) -> None:
    async def both(sandbox: Sandbox) -> tuple[str, Speech]:
        wide = encoded(np.zeros((60 * 192_000, 8), np.int16), 192_000, "FLAC")
        refused = await code(wide)(sandbox)
        return refused, await sandbox.speech(recordings[0].read_bytes())

    refused, found = with_sandbox(both, decode_bytes=30_000_000)
    assert refused == "AUD-COSTLY"
    assert found.pieces


def test_time_is_bounded(recordings: list[Path]) -> None:
    async def both(sandbox: Sandbox) -> tuple[str, Speech]:
        long = encoded(np.random.default_rng(0).uniform(-1, 1, 550 * 48_000), 48_000, "FLAC")
        refused = await code(long)(sandbox)
        return refused, await sandbox.speech(recordings[0].read_bytes())

    refused, found = with_sandbox(both, decode_s=0.2)
    assert refused == "AUD-COSTLY"
    assert found.pieces


def test_a_decoder_that_died_without_a_file_is_replaced(recordings: list[Path]) -> None:
    others = set(psutil.Process().children())

    async def killed(sandbox: Sandbox) -> Speech:
        (decoder,) = set(psutil.Process().children()) - others
        decoder.kill()
        decoder.wait()
        return await sandbox.speech(recordings[0].read_bytes())

    assert with_sandbox(killed).pieces
    assert set(psutil.Process().children()) <= others


def test_a_file_that_kills_its_decoder_is_not_tried_again(
    bad_task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Worker] = []

    def counted(*arguments: Any) -> Worker:
        started.append(Worker(*arguments))
        return started[-1]

    monkeypatch.setattr("mothertongue.serving.sandbox.TASK", bad_task)
    monkeypatch.setattr("mothertongue.serving.sandbox.Worker", counted)
    crash, nothing = (write_bad(tmp_path / what, what).read_bytes() for what in WHAT)

    async def both(sandbox: Sandbox) -> tuple[str, int, Speech]:
        refused = await code(crash)(sandbox)
        return refused, len(started), await sandbox.speech(nothing)

    assert with_sandbox(both) == ("AUD-CORRUPT", 1, Speech(0.0, []))
    assert len(started) == 2


def test_a_client_may_go_while_its_file_is_decoded(recordings: list[Path]) -> None:
    long = encoded(np.random.default_rng(0).uniform(-1, 1, 550 * 48_000), 48_000, "FLAC")

    async def gone(sandbox: Sandbox) -> Speech:
        worker = await sandbox.free.get()
        sandbox.free.put_nowait(worker)
        asked = asyncio.ensure_future(sandbox.speech(long))
        while not worker.is_busy:
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert asked.cancelled() and worker.process.poll() is not None
        return await sandbox.speech(recordings[0].read_bytes())

    assert with_sandbox(gone).pieces


def test_a_client_may_go_while_a_decoder_starts(recordings: list[Path]) -> None:
    others = set(psutil.Process().children())

    async def gone(sandbox: Sandbox) -> set[psutil.Process]:
        (decoder,) = set(psutil.Process().children()) - others
        decoder.kill()
        decoder.wait()
        asked = asyncio.ensure_future(sandbox.speech(recordings[0].read_bytes()))
        while not (started := set(psutil.Process().children()) - others - {decoder}):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert asked.cancelled()
        return started & set(psutil.Process().children())

    assert not with_sandbox(gone)
