"""Recognize every clip of a corpus, and keep the results in recognized.jsonl.

A line holds the key of a clip and its `Recognition`. The key joins the model, its settings, the
content of the audio, the part of the audio, and the language. So a doctor that was stopped
continues at the same place. If only texts were corrected, nothing is recognized again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mothertongue.data.audio.load import AudioError, Samples
from mothertongue.data.clip_facts import facts_of
from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import Utterance
from mothertongue.decoding.transcript import Clip, ClipTranscriber, DecodeConfig
from mothertongue.diagnosis.findings import Recognition
from mothertongue.diagnosis.fingerprints import fingerprint
from mothertongue.diagnosis.sounds import level_of
from mothertongue.errors import DataError
from mothertongue.inference.engine import Engine
from mothertongue.inference.transcript_cache import weights_of
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.system.line_cache import LineCache

RECOGNIZED = "recognized.jsonl"
VERSION = 1
"""The version of the contents of a Recognition. If it changes, every clip is recognized again."""
AGAIN = "remove it; the clips are then recognized again"

Advance = Callable[[int], None]
Recognized = dict[str, Recognition | str]
"""The recognition of each clip by its id, or the reason why its audio cannot be read."""


@dataclass(frozen=True, slots=True)
class Listener:
    """How clips are recognized: a MODEL, its name for the keys, and a function that opens it."""

    model: str
    open_engine: Callable[[], Engine]
    """Called only if a clip is new."""
    config: DecodeConfig
    settings: tuple[str, ...] = ()
    """Other settings that change transcripts, such as the engine's name."""

    def key(self, clip: Utterance, sha256: str) -> str:
        """Return the key of what this model recognizes in a clip."""
        settings = {key: x for key, x in self.config.facts().items() if key != "batch_size"}
        parts: list[Any] = [VERSION, self.model, weights_of(self.model), *self.settings, settings]
        parts += [sha256, clip.start_s, clip.duration_s, clip.language]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def listen(
    listener: Listener, clips: Sequence[Utterance], cache: Path, advance: Advance = lambda _: None
) -> Recognized:
    """Recognize the clips that `cache` does not have, and add them to it batch by batch.

    Raises DataError if audio is missing, or if the cache is damaged.
    """
    facts = facts_of(clips)
    keys = {c.id: listener.key(c, each.content()) for c, each in zip(clips, facts, strict=True)}
    kept = LineCache(cache, Recognition, AGAIN)
    found: Recognized = {c.id: kept.known[keys[c.id]] for c in clips if keys[c.id] in kept.known}
    advance(len(found))
    todo = [clip for clip in clips if clip.id not in found]
    if not todo:
        return found
    engine = listener.open_engine()
    decoder = engine.make(engine.trained_context, listener.config, lambda _: None)
    for batch in _batches(todo, listener.config.batch_size):
        new = _recognized(engine, decoder, batch)
        kept.add({keys[name]: x for name, x in new.items() if isinstance(x, Recognition)})
        found |= new
        advance(len(batch))
    return found


def _recognized(engine: Engine, decoder: ClipTranscriber, batch: Sequence[Utterance]) -> Recognized:
    found: Recognized = {}
    sounds: dict[str, Samples] = {}
    for clip in batch:
        try:
            sounds[clip.id] = _samples(clip)
        except DataError as error:  # an AudioError is a DataError
            found[clip.id] = str(error)
    readable = [clip for clip in batch if clip.id in sounds]
    asked = [
        Clip(sounds[clip.id], engine.language_of(clip.language), engine.trained_context)
        for clip in readable
    ]
    for clip, transcript in zip(readable, decoder.decode(asked), strict=True):
        found[clip.id] = Recognition(
            text=transcript.text.strip(),
            detected_language=transcript.detected_language,
            looped=transcript.looped,
            fingerprint=fingerprint(sounds[clip.id]),
            **asdict(level_of(sounds[clip.id])),
        )
    return found


def _samples(clip: Utterance) -> Samples:
    if clip.duration_s > FULL_CONTEXT_S:
        reason = f"{clip.duration_s:.1f} s; Whisper takes at most {FULL_CONTEXT_S} s"
        raise AudioError("AUD-LONG", reason, "cut it into clips, each with its own text")
    return load_clip(Path(), clip)


def _batches(clips: Sequence[Utterance], size: int) -> Iterator[Sequence[Utterance]]:
    for at in range(0, len(clips), size):
        yield clips[at : at + size]
