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

from mothertongue.serving.errors import ApiError
from mothertongue.serving.limits import Limits
from mothertongue.serving.sandbox import Sandbox, Speech, _Decoder

Result = TypeVar("Result")


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


def test_a_decoder_that_died_is_replaced_and_the_file_tried_again(recordings: list[Path]) -> None:
    others = set(psutil.Process().children())

    async def killed(sandbox: Sandbox) -> Speech:
        (decoder,) = set(psutil.Process().children()) - others
        decoder.kill()
        return await sandbox.speech(recordings[0].read_bytes())

    assert with_sandbox(killed).pieces
    assert set(psutil.Process().children()) <= others


def test_a_client_may_go_before_all_of_the_answer_is_read(
    recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = _Decoder._header
    short = recordings[0].read_bytes()
    samples_N = np.concatenate([soundfile.read(each)[0] for each in recordings] * 3)
    rate_hz = soundfile.info(recordings[0]).samplerate
    long = encoded(samples_N, rate_hz, "FLAC")

    async def gone(sandbox: Sandbox) -> Speech:
        has_come = asyncio.Event()

        async def stops_at(self: _Decoder) -> dict[str, Any]:
            header = await read(self)
            has_come.set()
            await asyncio.sleep(60)
            return header

        with monkeypatch.context() as patch:
            patch.setattr(_Decoder, "_header", stops_at)
            asked = asyncio.ensure_future(sandbox.speech(long))
            await has_come.wait()
            await asyncio.sleep(0.5)  # the answer waits in buffers, which are full
            asked.cancel()
            async with asyncio.timeout(20):
                assert isinstance(
                    *await asyncio.gather(asked, return_exceptions=True), asyncio.CancelledError
                )
        return await sandbox.speech(short)

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
