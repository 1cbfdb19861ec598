"""Recognize the pieces of recordings, and keep what was recognized: a stopped command goes on.

OUT/recognized/KEY.json has the pieces of a few recordings that were decoded together. The key joins
the model, its settings and these recordings. A decoder's last digits depend on what it decodes
together; so a group is decoded whole or not at all, and a command that was stopped ends with the
same bytes as one that was not.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mothertongue.data.audio.load import AudioError
from mothertongue.data.clip_facts import size_and_time
from mothertongue.decoding.transcript import ClipTranscriber, DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.inference.engine import Engine
from mothertongue.inference.labelling.filters import Piece
from mothertongue.inference.output_files import Source
from mothertongue.inference.progress import RecordingsProgress, recordings_progress
from mothertongue.inference.speech_detection import Find
from mothertongue.inference.subtitles import Recording
from mothertongue.inference.transcribe import TOGETHER, transcribe_files
from mothertongue.system.environment import deciding_versions
from mothertongue.system.files import write_json
from mothertongue.system.json_files import read_json

VERSION = 1
"""The version of what is kept. If it changes, every recording is recognized again."""
GROUP_BYTES = 32_000_000
"""The most bytes of recordings in a group, unless it is a single one: 17 minutes of WAV, 3 hours of
Opus. So much is recognized again if the command is stopped."""
AGAIN = "remove it; its recordings are then recognized again"
GONE = 0, 0
"""The size and time of a file that is not there, which is told when it is read."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recognized:
    """A recording and its pieces in order; or the code, reason and remedy why it cannot be read."""

    audio: str
    duration_s: float
    pieces: tuple[Piece, ...]
    fault: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Recognizer:
    """A MODEL, and how it is asked."""

    model: str
    model_sha256: str
    open_engine: Callable[[], Engine]
    """Called only if a group is new."""
    config: DecodeConfig
    language: str
    find: Find
    """The speech detector."""
    chosen: Json
    """Other settings that change transcripts: the detector's name, the engine's, its precision."""

    def settings(self) -> Json:
        """Return all settings that transcripts depend on, and the versions, as JSON values."""
        return self.config.facts() | self.chosen | {"packages": deciding_versions()}

    def key(self, group: Sequence[Source]) -> str:
        """Return the name of what this model recognizes in a group."""
        files = [(str(each.path.absolute()), *(size_and_time(each.path) or GONE)) for each in group]
        parts = [VERSION, self.model_sha256, self.language, self.settings(), files]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def recognize(recognizer: Recognizer, sources: Sequence[Source], folder: Path) -> list[Recognized]:
    """Return the pieces of all recordings; those that the folder lacks are recognized and added.

    A recording that cannot be read stops no other. Raises ConfigError where the model gives no
    log-probabilities, DataError if what the folder has is damaged.
    """
    groups = [(folder / f"{recognizer.key(each)}.json", each) for each in groups_of(sources)]
    todo = [(path, group) for path, group in groups if not path.is_file()]
    if todo:
        engine = recognizer.open_engine()
        decoder = engine.make(engine.trained_context, recognizer.config, lambda _: None)
        with recordings_progress(sum(len(group) for _, group in todo)) as watcher:
            for path, group in todo:
                found = list(_recognized(recognizer, engine, decoder, group, watcher))
                write_json(path, found, indent=None)
    return [each for path, _ in groups for each in read_json(path, list[Recognized], AGAIN)]


def groups_of(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Yield the recordings in order, in groups of at most TOGETHER files and GROUP_BYTES bytes."""
    group, size = list[Source](), 0
    for source in sources:
        more, _ = size_and_time(source.path) or GONE
        if group and (len(group) == TOGETHER or size + more > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(source)
        size += more
    if group:
        yield group


def _recognized(
    recognizer: Recognizer,
    engine: Engine,
    decoder: ClipTranscriber,
    group: Sequence[Source],
    watcher: RecordingsProgress,
) -> Iterator[Recognized]:
    paths = [each.path for each in group]
    context, language = engine.trained_context, recognizer.language
    asked = decoder, paths, recognizer.find, language, context, False
    for path, found in transcribe_files(*asked, watcher.read):
        watcher.done()
        if isinstance(found, AudioError):
            yield Recognized(str(path), 0.0, (), (found.code, found.reason, found.fix))
        else:
            yield Recognized(str(path), found.duration_s, tuple(_pieces(recognizer.model, found)))


def _pieces(model: str, recording: Recording) -> list[Piece]:
    pieces = [Piece(*span) for span in recording.textless]
    for each in recording.segments:
        if each.average_log_probability is None:
            raise ConfigError(
                f"{model}: its engine gives no log-probabilities, by which pseudo-labels are "
                "chosen; give the run itself, its base, or a CTranslate2 export"
            )
        written = each.text.strip(), each.average_log_probability, each.looped, each.is_cut
        pieces.append(Piece(each.start_s, each.end_s, *written))
    return sorted(pieces, key=lambda each: each.start_s)
