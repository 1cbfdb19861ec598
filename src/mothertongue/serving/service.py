"""Transcribe an upload: decode it in the sandbox, then transcribe it piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request

from mothertongue.decoding.transcript import Clip, Task, Transcript
from mothertongue.inference.speech_detection import Piece
from mothertongue.inference.subtitles import Recording, segments_of
from mothertongue.serving.batching import Batcher
from mothertongue.serving.errors import ApiError, busy
from mothertongue.serving.limits import Limits
from mothertongue.serving.metrics import Metrics
from mothertongue.serving.models import ServedModel
from mothertongue.serving.sandbox import Sandbox, Speech
from mothertongue.serving.turns import Gate

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """The model, language, task and options of a request."""

    model: ServedModel
    language: str | None
    """That of the speech, which may borrow its token; None to detect it."""
    task: Task
    prompt: tuple[int, ...]
    word_times: bool
    client: str = ""
    """The client that asks, by `request_limits.client_of`: clients take turns."""


class Service:
    """The sandbox and the models' batchers, for use by requests."""

    def __init__(
        self,
        batchers: Sequence[Batcher],
        sandbox: Sandbox,
        decoders: Gate,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        """`decoders`: has as many places as the sandbox has processes."""
        self.batchers, self.sandbox, self.decoders = batchers, sandbox, decoders
        self.limits, self.metrics = limits, metrics

    async def recording(self, data: bytes, asked: TranscriptionRequest) -> Recording:
        """Return the transcript of a file. Raises ApiError."""
        speech = await self.speech(data, asked)
        language, segments = asked.language, []
        async for piece, transcript in self.transcripts(speech, asked):
            segments += segments_of(piece, transcript)
            language = language or transcript.language
        return Recording(
            language=language,
            duration_s=speech.duration_s,
            segments=tuple(segments),
            is_translated=asked.task == "translate",
        )

    async def speech(self, data: bytes, asked: TranscriptionRequest) -> Speech:
        """Return the speech in a file. Raises ApiError."""
        async with self.decoders.place(asked.client):
            speech = await self.sandbox.speech(data)
        self.metrics.audio_s.labels(asked.model.name).inc(speech.duration_s)
        return speech

    async def transcripts(
        self, speech: Speech, asked: TranscriptionRequest
    ) -> AsyncIterator[tuple[Piece, Transcript]]:
        """Yield the transcript of each piece, or part of a piece, in order, as soon as it is known.

        Without a language the first piece is decoded first, and its language taken for all.
        """
        batcher, language = self.batchers[asked.model.engine], asked.language
        first = 0 if language else 1
        for part in (speech.pieces[:first], speech.pieces[first:]):
            clips = [_clip(piece, asked, language) for piece in part]
            waiting = batcher.submit(clips, asked.client)
            try:
                for piece, future in zip(part, waiting, strict=True):
                    parts = await future
                    language = language or parts[0].transcript.language
                    for each in parts:
                        yield each.piece(piece.start_s), each.transcript
            finally:
                for future in waiting:
                    future.cancel()

    async def within_time(self, request: Request, work: Awaitable[Result]) -> Result:
        """Return the result of work; stop the work if the client leaves or it takes too long.

        Raises ApiError 503 for the latter.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(_gone(request.receive))
        try:
            await asyncio.wait(
                [task, gone], timeout=self.limits.request_s, return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                return task.result()
            if gone.done():
                raise ApiError(499, "the client is gone", "gone")
            raise self.too_late()
        finally:
            for each in (task, gone):
                each.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await each

    def too_late(self) -> ApiError:
        """Return the error for a request that took too long."""
        return busy(f"not done within {self.limits.request_s:g} s", "deadline_exceeded", 10)


def _clip(piece: Piece, asked: TranscriptionRequest, language: str | None) -> Clip:
    return Clip(
        piece.samples_N,
        asked.model.tokens.borrowed.get(language, language) if language else None,
        asked.model.context,
        asked.task,
        asked.prompt,
        asked.model.adapter,
        asked.word_times,
        language,
    )


async def _gone(receive: Callable[[], Awaitable[object]]) -> None:
    """Wait until the client has closed the connection."""
    while True:
        message = await receive()
        if isinstance(message, dict) and message["type"] == "http.disconnect":
            return
