"""What `mothertongue transcribe` does: recordings to text on the screen, or to files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mothertongue.audio import AudioError
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.engines import Engine
from mothertongue.errors import ConfigError, DataError
from mothertongue.progress import recordings_progress
from mothertongue.transcription.formats import FORMATS
from mothertongue.transcription.outputs import Outputs, Source
from mothertongue.transcription.recording import Recording
from mothertongue.transcription.speech import Find, everything, has_detector, voiced
from mothertongue.transcription.transcribe import transcribe_files

Json = dict[str, Any]
Vad = Literal["auto", "silero", "off"]


def check_formats(formats: Sequence[str], sources: Sequence[Source], out: Path | None) -> None:
    """Raise ConfigError for an unknown format, or for one that cannot go to the screen."""
    if unknown := [each for each in formats if each not in FORMATS]:
        raise ConfigError(f"--format {unknown[0]}: expected one of {', '.join(FORMATS)}")
    if out is None and (len(formats) > 1 or (len(sources) > 1 and formats != ["txt"])):
        raise ConfigError(
            f"--format {' --format '.join(formats)} of {len(sources)} recordings needs --out FOLDER"
        )


def detector(vad: Vad) -> tuple[Find, str]:
    """What finds speech, and its name. Raises ConfigError where it is asked for and not there."""
    if vad == "off" or (vad == "auto" and not has_detector()):
        return everything, "off"
    if not has_detector():
        raise ConfigError("--vad silero needs: pip install 'mothertongue[transcribe]'")
    return voiced, "silero"


@dataclass(frozen=True, slots=True)
class Done:
    """What was transcribed now, and how many recordings had their outputs already."""

    recordings: list[tuple[Source, Recording]]
    already_done: int

    def facts(self) -> Json:
        """As JSON values."""
        files = [{"audio": str(each.path), **found.facts()} for each, found in self.recordings]
        return {"files": files, "already_done": self.already_done}


def transcribe_sources(
    open_engine: Callable[[], Engine],
    sources: Sequence[Source],
    outputs: Outputs | None,
    config: DecodeConfig,
    language: str | None,
    find: Find,
    word_times: bool,
) -> Done:
    """What was said in each recording that has no output yet.

    `open_engine` is called only where there is something to do. Every recording that can be read is
    done before the faults of the others are raised, as one DataError.
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
    if faults:
        listed = "\n".join(faults)
        raise DataError(f"{len(faults)} of {len(sources)} recordings were not read:\n{listed}")
    return Done(recordings, len(sources) - len(todo))


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
            decoder, list(by_path), find, code, context, word_times, watcher.heard
        ):
            watcher.done()
            yield by_path[path], result


def on_screen(done: Done, format_: str) -> str:
    """The recordings in one format, for people who read or redirect it."""
    return "".join(FORMATS[format_](found) for _, found in done.recordings)
