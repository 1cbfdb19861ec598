"""The processes that decode uploads: a few, restarted when a file kills one or takes too long."""

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from mothertongue.serving.errors import ApiError, busy
from mothertongue.serving.limits import Limits
from mothertongue.serving.sandbox_worker import LENGTH
from mothertongue.transcription.speech import Piece

START_S = 60.0


@dataclass(frozen=True, slots=True)
class Speech:
    """The speech in an upload."""

    duration_s: float
    pieces: list[Piece]


class Sandbox:
    """So many decoders, each with one file at a time."""

    def __init__(self, limits: Limits, count: int) -> None:
        self.limits, self.count = limits, count
        self.idle: asyncio.Queue[_Decoder | None] = asyncio.Queue()

    async def start(self) -> None:
        """Start all of them, so that the first request need not wait."""
        started = await asyncio.gather(*(_Decoder.start(self.limits) for _ in range(self.count)))
        for each in started:
            self.idle.put_nowait(each)

    async def stop(self) -> None:
        """Stop those that are idle; the others are done with when their request is."""
        while not self.idle.empty():
            if decoder := self.idle.get_nowait():
                await decoder.kill()

    async def speech(self, data: bytes) -> Speech:
        """The speech in a file. Raises ApiError 400 where it cannot be decoded within the limits.

        Where its decoder dies another gets the file too: perhaps the file was not to blame.
        """
        try:
            return await self._speech(data)
        except EOFError:
            pass
        try:
            return await self._speech(data)
        except EOFError:
            raise _too_costly() from None

    async def _speech(self, data: bytes) -> Speech:
        decoder, is_well = await self.idle.get(), False
        try:
            decoder = decoder or await _Decoder.start(self.limits)
            async with asyncio.timeout(2 * self.limits.decode_s):
                found = await decoder.speech(data)
            is_well = True
            return found
        except ApiError:
            is_well = decoder is not None
            raise
        except ConnectionError:
            raise EOFError from None
        except TimeoutError:
            raise _too_costly() from None
        finally:
            if decoder and not is_well:
                await asyncio.shield(decoder.kill())
            # In the place of one that died the next file starts another.
            self.idle.put_nowait(decoder if is_well else None)


class _Decoder:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin and process.stdout
        self.stdin, self.stdout = process.stdin, process.stdout

    @classmethod
    async def start(cls, limits: Limits) -> "_Decoder":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "mothertongue.serving.sandbox_worker"),
            limits.model_dump_json(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server, which still has requests to finish
        )
        decoder = cls(process)
        try:
            async with asyncio.timeout(START_S):
                await decoder._header()
        except (TimeoutError, EOFError):
            await decoder.kill()
            raise busy("no decoder could be started", "overloaded", 5) from None
        except asyncio.CancelledError:
            await asyncio.shield(decoder.kill())
            raise
        return decoder

    async def speech(self, data: bytes) -> Speech:
        self.stdin.write(LENGTH.pack(len(data)))
        self.stdin.write(data)
        await self.stdin.drain()
        header = await self._header()
        if "code" in header:
            raise _rejected(header["code"], header["message"])
        pieces = []
        for start_s, length in zip(header["starts_s"], header["lengths"], strict=True):
            samples = await self.stdout.readexactly(4 * length)
            pieces.append(Piece(start_s, np.frombuffer(samples, np.float32).copy()))
        return Speech(header["duration_s"], pieces)

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        # wait() alone would wait for ever on what was answered and nobody has read.
        await self.process.communicate()

    async def _header(self) -> dict[str, Any]:
        (length,) = LENGTH.unpack(await self.stdout.readexactly(LENGTH.size))
        header: dict[str, Any] = json.loads(await self.stdout.readexactly(length))
        return header


def _too_costly() -> ApiError:
    return _rejected("AUD-COSTLY", "could not be decoded within the limits of time and memory")


def _rejected(code: str, message: str) -> ApiError:
    return ApiError(400, f"file: {message} ({code})", code, "file")
