"""Prepare the sound of clips for a page: MP3, which every browser plays, and its outline.

How many are embedded is bounded by bytes; what does not fit is left out and counted.
"""

import base64
import hashlib
import io
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from mothertongue.comparison.clips import ClipRow
from mothertongue.data.audio.decoders import Samples, Span
from mothertongue.data.audio.load import MAX_DURATION_S, SAMPLE_RATE_HZ
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.data.sandbox.samples import TASK, stream
from mothertongue.errors import DataError
from mothertongue.system.files import open_bytes_atomically, sweep

Where = Literal["embed", "beside", "none"]
QUALITY = 0.7  # of LAME, 0 best: about 30 kbit/s at 16 kHz mono, 3.7 kB a second
NUM_PEAKS = 160
BASE64 = 4 / 3
OURS = re.compile(r"([0-9a-f]{32}|\d+-\d+)\.mp3")
"""The names of sound files, by SHA-256 or as earlier versions named them."""


@dataclass(frozen=True, slots=True)
class Playable:
    """A clip that a page may play; those with the most errors come first."""

    id: str
    audio: str | None
    start_s: float
    duration_s: float
    errors: float

    @classmethod
    def of(cls, clip: ClipRow) -> "Playable":
        """Return a test clip with the errors per word of all systems together."""
        errors = sum(each.word_errors for each in clip.heard) / max(1, clip.words)
        return cls(clip.id, clip.audio, clip.start_s, clip.duration_s, errors)


@dataclass(slots=True)
class Sounds:
    """Sound of clips by `SET/CLIP` numbers: `mp3` in base64 or `src` of a file, and `peaks`."""

    found: dict[str, dict[str, str]] = field(default_factory=dict)
    over_budget: int = 0
    unreadable: list[str] = field(default_factory=list)


def collect_sounds(
    clip_sets: Sequence[Sequence[Playable]],
    where: Where,
    budget_bytes: int,
    page: Path,
    advance: Callable[[int], None] = lambda _: None,
) -> Sounds:
    """Return the sound of the clips of all sets; `beside` writes files next to the page instead.

    Where not all fit into the budget, the clips with the most errors and others drawn at random
    take turns, and so do the sets. `advance` is called with the number of clips just done.
    """
    sounds = Sounds()
    if where == "none":
        return sounds
    folder = _beside(page)
    places, used = _in_turns(clip_sets), 0
    # One more than there are cores: a thread that wakes its worker, or waits for it, uses none.
    threads = min(8, (os.cpu_count() or 1) + 1)
    with Sandbox(TASK) as sandbox, ThreadPoolExecutor(threads) as pool:
        for at in range(0, len(places), 64):
            block = places[at : at + 64]
            if where == "embed" and used >= budget_bytes:
                sounds.over_budget += len(places) - at
                break
            clips = [clip_sets[number][i] for number, i in block]
            read = pool.map(partial(_read, sandbox), clips)
            for (number, i), sound in zip(block, read, strict=True):
                advance(1)
                if isinstance(sound, str):
                    sounds.unreadable.append(sound)
                    continue
                mp3, peaks = sound
                size = int(len(mp3) * BASE64)
                if where == "embed" and used + size > budget_bytes:
                    sounds.over_budget += 1
                    continue
                used += size
                kept = _kept(mp3, where, folder)
                sounds.found[f"{number}/{i}"] = {**kept, "peaks": _text(peaks)}
    return sounds


def remove_unplayed(page: Path, sounds: Sounds) -> None:
    """Remove the sound files of an earlier page that this page does not use."""
    folder = _beside(page)
    sweep(folder)
    played = {each.get("src") for each in sounds.found.values()}
    for path in folder.glob("*.mp3"):
        if OURS.fullmatch(path.name) and f"{folder.name}/{path.name}" not in played:
            path.unlink()
    with suppress(OSError):  # anything else may lie there
        folder.rmdir()


def to_mp3(samples_N: Samples) -> bytes:
    """Encode 16 kHz mono samples in [-1, 1] as MP3 with a variable bit rate."""
    file = io.BytesIO()
    soundfile.write(
        file,
        samples_N,
        SAMPLE_RATE_HZ,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=QUALITY,
        bitrate_mode="VARIABLE",
    )
    return file.getvalue()


def outline(samples_N: Samples) -> bytes:
    """Return the peak of each of 160 parts of a clip, a byte each, the loudest 255."""
    stretches = np.array_split(np.abs(samples_N), NUM_PEAKS)
    peaks = np.array([each.max(initial=0.0) for each in stretches])
    return (255 * peaks / max(float(peaks.max()), 1e-9)).astype(np.uint8).tobytes()


def _read(sandbox: Sandbox, clip: Playable) -> tuple[bytes, bytes] | str:
    if clip.audio is None:
        return f"{clip.id}: in no manifest any more"
    span = Span(Path(clip.audio), clip.start_s, clip.duration_s, MAX_DURATION_S)
    try:
        samples_N = np.concatenate([*stream(sandbox, span)])
    except (DataError, OSError) as error:
        return f"{clip.id}: {error}"
    return to_mp3(samples_N), outline(samples_N)


def _kept(mp3: bytes, where: Where, folder: Path) -> dict[str, str]:
    """Return the sound for the page; a file is named by its SHA-256, so none is overwritten."""
    if where == "embed":
        return {"mp3": _text(mp3)}
    path = folder / f"{hashlib.sha256(mp3).hexdigest()[:32]}.mp3"
    if not (path.is_file() and path.stat().st_size == len(mp3)):
        with open_bytes_atomically(path) as file:
            file.write(mp3)
    return {"src": f"{folder.name}/{path.name}"}


def _beside(page: Path) -> Path:
    return page.with_name(f"{page.stem}_audio")


def _in_turns(clip_sets: Sequence[Sequence[Playable]]) -> list[tuple[int, int]]:
    """Return (number of a set, number of a clip); the sets take turns and share the budget."""
    orders = [[(number, i) for i in _order(each)] for number, each in enumerate(clip_sets)]
    return [place for turn in zip_longest(*orders) for place in turn if place is not None]


def _order(clips: Sequence[Playable]) -> Iterator[int]:
    """Yield each clip's number once: the worst, a random one, the second worst, ..."""
    numbers = range(len(clips))
    worst = sorted(numbers, key=lambda i: -clips[i].errors)
    drawn = random.Random(0).sample(numbers, len(clips))
    seen: set[int] = set()
    for pair in zip_longest(worst, drawn):
        for i in pair:
            if i not in seen:
                seen.add(i)
                yield i


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
