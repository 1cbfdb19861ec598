"""Keep the transcripts of pieces of sound, so that nothing is recognized twice. No torch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from mothertongue.decoding.transcript import Clip, ClipTranscriber, Samples, Transcript
from mothertongue.system.line_cache import LineCache

WEIGHTS = (".safetensors", ".bin", ".pt", ".onnx", ".npz")
VERSION = 1
"""The version of the contents of a Transcript. If it changes, all pieces are recognized again."""
TOGETHER = 16
"""Pieces that are decoded before they are kept: work that is stopped loses so many at most."""
AGAIN = "remove it; the pieces are then recognized again"


class CachedTranscriber:
    """A transcriber that takes what it finds in a file, and adds the rest to it.

    The key of a clip joins `model`, its settings and weights, with the clip's settings and samples.
    """

    def __init__(self, transcriber: ClipTranscriber, path: Path, model: Sequence[Any]) -> None:
        """Read the file, if it is there. Raises DataError if it is damaged."""
        self._transcriber, self._model = transcriber, [VERSION, *model]
        self._cache = LineCache(path, Transcript, AGAIN)

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        return self.decode([Clip(samples_N, language) for samples_N in audio])

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        """Return the transcripts of clips in order."""
        keys = [self._key(clip) for clip in clips]
        new = {
            key: clip for key, clip in zip(keys, clips, strict=True) if key not in self._cache.known
        }
        for start in range(0, len(new), TOGETHER):
            part = dict([*new.items()][start : start + TOGETHER])
            found = self._transcriber.decode([*part.values()])
            self._cache.add(dict(zip(part, found, strict=True)))
        return [self._cache.known[key] for key in keys]

    def _key(self, clip: Clip) -> str:
        settings = [getattr(clip, each.name) for each in fields(clip) if each.name != "samples_N"]
        digest = hashlib.sha256(json.dumps([*self._model, *settings]).encode())
        digest.update(clip.samples_N.tobytes())
        return digest.hexdigest()[:32]


def weights_of(model: str) -> list[Any]:
    """Return the weight files below a folder, with sizes and times; empty for another name."""
    path = Path(model).expanduser()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    facts = [(each, each.stat()) for each in files if each.suffix in WEIGHTS and each.is_file()]
    return [[str(each), fact.st_size, fact.st_mtime_ns] for each, fact in facts]
