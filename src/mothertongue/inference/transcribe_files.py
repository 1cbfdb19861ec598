"""Transcribe recordings to text on the screen, or to files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mothertongue.data.audio.load import AudioError
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.inference.engine import Engine
from mothertongue.inference.output_files import Outputs, Source
from mothertongue.inference.progress import recordings_progress
from mothertongue.inference.records import TranscribeResult, recording_record
from mothertongue.inference.speech_detection import Find, everything, has_detector, voiced
from mothertongue.inference.subtitle_formats import FORMATS, written
from mothertongue.inference.subtitles import Recording
from mothertongue.inference.transcribe import transcribe_files
from mothertongue.system.arguments import Vad
from mothertongue.system.console import console


def check_formats(formats: Sequence[str], sources: Sequence[Source], out: Path | None) -> None:
    """Raise ConfigError for an unknown format, or for one that the screen cannot show."""
    if unknown := [each for each in formats if each not in FORMATS]:
        raise ConfigError(f"--format {unknown[0]}: expected one of {', '.join(FORMATS)}")
    if out is None and (len(formats) > 1 or (len(sources) > 1 and formats != ["txt"])):
        raise ConfigError(
            f"--format {' --format '.join(formats)} of {len(sources)} recordings needs --out FOLDER"
        )


def detector(vad: Vad) -> tuple[Find, str]:
    """Return the speech detector and its name. Raises ConfigError if silero is not installed."""
    if vad == "off":
        return everything, "off"
    if has_detector():
        return voiced, "silero"
    if vad == "silero":
        raise ConfigError("--vad silero needs: pip install 'mothertongue[transcribe]'")
    console.print(
        "silence is transcribed too; to find speech: pip install 'mothertongue[transcribe]'"
    )
    return everything, "off"


@dataclass(frozen=True, slots=True)
class Done:
    """The new transcripts, the number of older ones, and the recordings that failed."""

    recordings: list[tuple[Source, Recording]]
    already_done: int
    faults: list[str]

    def result(self, model: str) -> TranscribeResult:
        """Return what the verb prints as JSON."""
        files = [recording_record(found, str(each.path)) for each, found in self.recordings]
        return TranscribeResult(model, files, self.already_done, self.faults)

    def refuse_faults(self) -> None:
        """Raise DataError listing the recordings that could not be read; call it after printing."""
        if self.faults:
            listed = "\n".join(self.faults)
            raise DataError(f"{len(self.faults)} recordings were not read:\n{listed}")


def transcribe_sources(
    open_engine: Callable[[], Engine],
    sources: Sequence[Source],
    outputs: Outputs | None,
    config: DecodeConfig,
    language: str | None,
    find: Find,
    word_times: bool,
) -> Done:
    """Transcribe each recording that has no output yet.

    `open_engine` is called only where there is something to do. A recording that cannot be read
    stops no other.
    """
    todo = [each for each in sources if outputs is None or not outputs.is_done(each)]
    recordings, faults = [], []
    for source, result in _transcribed(open_engine, todo, config, language, find, word_times):
        if isinstance(result, AudioError):
            faults.append(str(result))
            continue
        if outputs is not None:
            outputs.write(source, result)
        recordings.append((source, result))
    return Done(recordings, len(sources) - len(todo), faults)


def _transcribed(
    open_engine: Callable[[], Engine],
    todo: Sequence[Source],
    config: DecodeConfig,
    language: str | None,
    find: Find,
    word_times: bool,
) -> Iterator[tuple[Source, Recording | AudioError]]:
    if not todo:
        return
    engine = open_engine()
    context = engine.trained_context
    decoder = engine.make(context, config, lambda _: None)
    code = language or engine.language
    by_path = {each.path: each for each in todo}
    with recordings_progress(len(todo)) as watcher:
        for path, result in transcribe_files(
            decoder, list(by_path), find, code, context, word_times, watcher.read
        ):
            watcher.done()
            yield by_path[path], result


def on_screen(done: Done, format_: str) -> str:
    """The recordings in one format, for people who read or redirect it."""
    return "".join(written(format_, found, source.path) for source, found in done.recordings)
