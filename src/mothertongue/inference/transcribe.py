"""Transcribe recordings: pieces of many of them share a batch, memory holds a few minutes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import SAMPLE_RATE_HZ, AudioError, Samples
from mothertongue.data.sandbox import samples
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.decoding.transcript import Clip, ClipTranscriber
from mothertongue.inference.parts import Part, decode_parts
from mothertongue.inference.speech_detection import Find, Piece, pieces
from mothertongue.inference.subtitles import Recording, Segment, segments_of
from mothertongue.model.context import Context

MAX_DURATION_S = 24 * 3600.0
"""The longest recording: a few MB of FLAC may hold days of silence."""
TOGETHER = 32
"""Pieces that are decoded together, 60 MB of samples; pieces that are alike share a batch."""

OnProgress = Callable[[Path, float], None]
"""A function that is called repeatedly with a file and the seconds of it that were read so far."""


@dataclass
class _Work:
    """A file that is being transcribed."""

    path: Path
    pieces: Iterator[Piece]
    language: str | None
    duration_s: float = 0.0
    waiting: int = 0
    decoded_again: int = 0
    segments: list[Segment] = field(default_factory=list)
    textless: list[tuple[float, float]] = field(default_factory=list)
    error: AudioError | None = None

    def result(self) -> Recording | AudioError:
        if self.error:
            return self.error
        return Recording(
            self.language,
            self.duration_s,
            tuple(self.segments),
            self.decoded_again,
            textless=tuple(self.textless),
        )


def transcribe_files(
    engine: ClipTranscriber,
    paths: Iterable[Path],
    find: Find,
    language: str | None,
    context: Context,
    word_times: bool = False,
    on_progress: OnProgress = lambda _path, _seconds: None,
) -> Iterator[tuple[Path, Recording | AudioError]]:
    """Yield each file with its transcript or its error, in order, as soon as it is done.

    Without a `language`, the engine detects it in the first piece and uses it for the whole file.
    While a file is transcribed, the next one is decoded.
    """
    # The sandbox ends first, and with it what the thread may still wait for.
    with ThreadPoolExecutor(1) as reader, Sandbox(samples.TASK) as sandbox:
        files = (_opened(reader, sandbox, path, find, language, on_progress) for path in paths)
        yield from _transcribed(engine, _one_ahead(files), context, word_times)


def transcribe_samples(
    engine: ClipTranscriber,
    samples_N: Samples,
    find: Find,
    language: str | None,
    context: Context,
    word_times: bool = False,
) -> Recording:
    """Return the transcript of a recording in memory, float32 (N,) at 16 kHz."""
    blocks = iter([samples_N])
    return transcribe_blocks(engine, blocks, find, language, context, word_times)


def transcribe_blocks(
    engine: ClipTranscriber,
    blocks: Iterable[Samples],
    find: Find,
    language: str | None,
    context: Context,
    word_times: bool = False,
) -> Recording:
    """Return the transcript of a recording that comes in blocks, float32 (N,) at 16 kHz.

    Memory holds a few minutes of it. Raises AudioError if reading the blocks does.
    """
    work = _Work(Path(), iter(()), language)
    work.pieces = pieces(_counted(blocks, work), find)
    ((_, found),) = _transcribed(engine, [work], context, word_times)
    if isinstance(found, AudioError):
        raise found
    return found


def _counted(blocks: Iterable[Samples], work: _Work) -> Iterator[Samples]:
    for block_N in blocks:
        work.duration_s += len(block_N) / SAMPLE_RATE_HZ
        yield block_N


def _transcribed(
    engine: ClipTranscriber, files: Iterable[_Work], context: Context, word_times: bool
) -> Iterator[tuple[Path, Recording | AudioError]]:
    works: list[_Work] = []
    waiting: list[tuple[_Work, Piece]] = []
    for work in files:
        works.append(work)
        for piece in _read(work):
            waiting.append((work, piece))
            work.waiting += 1
            if len(waiting) >= TOGETHER:
                _decode(engine, waiting, context, word_times)
                waiting = []
        while works and not works[0].waiting:
            yield works[0].path, works.pop(0).result()
    _decode(engine, waiting, context, word_times)
    yield from ((work.path, work.result()) for work in works)


def _one_ahead(files: Iterable[_Work]) -> Iterator[_Work]:
    """Yield each file after the next one was opened."""
    return (work for work, _ in pairwise(chain(files, [None])) if work)


def _opened(
    reader: ThreadPoolExecutor,
    sandbox: Sandbox,
    path: Path,
    find: Find,
    language: str | None,
    on_progress: OnProgress,
) -> _Work:
    stream = samples.stream(sandbox, Span(path, max_duration_s=MAX_DURATION_S))
    first = reader.submit(next, stream, None)

    def blocks() -> Iterator[Samples]:
        block_N = first.result()
        while block_N is not None:
            work.duration_s += len(block_N) / SAMPLE_RATE_HZ
            on_progress(path, work.duration_s)
            yield block_N
            block_N = next(stream, None)

    work = _Work(path, pieces(blocks(), find), language)
    return work


def _read(work: _Work) -> Iterator[Piece]:
    try:
        yield from work.pieces
    except AudioError as error:
        work.error = error


def _decode(
    engine: ClipTranscriber,
    waiting: Sequence[tuple[_Work, Piece]],
    context: Context,
    word_times: bool,
) -> None:
    """Add segments to each file; if its language is unknown, its first piece is decoded first."""

    def decoded(chosen: Sequence[int]) -> dict[int, list[Part]]:
        asked = [waiting[i] for i in chosen]
        clips = [
            Clip(piece.samples_N, work.language, context, word_times=word_times)
            for work, piece in asked
        ]
        return dict(zip(chosen, decode_parts(engine, clips), strict=True))

    firsts: dict[int, int] = {}
    for i, (work, _) in enumerate(waiting):
        if work.language is None:
            firsts.setdefault(id(work), i)
    found = decoded([*firsts.values()])
    for i, parts in found.items():
        waiting[i][0].language = parts[0].transcript.language
    found |= decoded([i for i in range(len(waiting)) if i not in found])
    for i, (work, piece) in enumerate(waiting):
        for part in found[i]:
            place = part.piece(piece.start_s)
            work.segments += segments_of(place, part.transcript)
            work.textless += [] if part.transcript.text else [(place.start_s, place.end_s)]
        work.decoded_again += len(found[i]) > 1
        work.waiting -= 1
