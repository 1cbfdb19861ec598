#!/usr/bin/env python3
"""Speak the demo's Swahili sentences with espeak-ng: a small synthetic corpus to try things on.

    python tools/make_demo_data.py [OUTPUT_FOLDER]

Needs the espeak-ng program (Debian and Ubuntu: apt install espeak-ng). The same espeak-ng and
libsndfile give the same bytes. Writes OUTPUT_FOLDER/audio/*.opus, then manifest.jsonl.
"""

import argparse
import csv
import io
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from mothertongue.data.manifest import MANIFEST_NAME, SPLITS, Split, Utterance, write_manifest
from mothertongue.errors import DataError
from mothertongue.system.files import folder_atomically

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = ROOT / "tools" / "demo_sentences.tsv"
OUTPUT = ROOT / "src" / "mothertongue" / "recipes" / "demo_data"

Samples = npt.NDArray[np.float32]

LANGUAGE = "sw"
LICENSE = "CC0-1.0 text, synthetic speech (espeak-ng)"
SAMPLE_RATE_HZ = 16_000
# libsndfile maps the level to (1 - level) * 250 + 6 kbit/s: 16 kbit/s here, enough for Whisper.
OPUS_COMPRESSION = 0.96

RATE_JITTER_WPM = 6
PITCH_JITTER = 4
SILENCE_S = (0.10, 0.30)
SNR_DB = (20.0, 35.0)
PEAK = (0.3, 0.9)
# Below this amplitude espeak-ng's own leading and trailing samples count as silence.
SILENT_BELOW = 0.005


@dataclass(frozen=True, slots=True)
class Speaker:
    """One espeak-ng voice variant at its own pitch (0-99) and speed (words a minute)."""

    variant: str
    split: Split
    pitch: int
    rate_wpm: int

    @property
    def name(self) -> str:
        return f"espeak-{self.variant}"


SPEAKERS = (
    Speaker("m1", "train", 42, 164),
    Speaker("f2", "train", 58, 176),
    Speaker("m3", "train", 35, 182),
    Speaker("f5", "train", 66, 168),
    Speaker("m7", "train", 50, 190),
    Speaker("f1", "train", 48, 158),
    Speaker("m4", "validation", 40, 172),
    Speaker("f3", "validation", 60, 180),
    Speaker("m8", "test", 45, 170),
    Speaker("f4", "test", 55, 184),
    Speaker("m5", "test", 38, 162),
)
VOICES_PER_SENTENCE = {"train": 2, "validation": 1, "test": 1}


@dataclass(frozen=True, slots=True)
class Clip:
    """One sentence to be spoken by one speaker."""

    sentence_id: str
    text: str
    speaker: Speaker

    @property
    def id(self) -> str:
        return f"{self.sentence_id}-{self.speaker.variant}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("output", nargs="?", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    try:
        check_voices()
        utterances = make(list(clips(SENTENCES)), output)
    except DataError as error:
        sys.exit(str(error))
    print(f"{output}: {len(utterances)} clips, {sum(u.duration_s for u in utterances):,.0f} s")


def make(todo: list[Clip], output: Path) -> list[Utterance]:
    """Every clip's audio under `output`/audio, then the manifest that lists them."""
    with folder_atomically(output / "audio") as folder:
        utterances = [save(clip, folder) for clip in todo]
    write_manifest(output / MANIFEST_NAME, utterances)
    return utterances


def clips(path: Path) -> Iterator[Clip]:
    """Who says what: each sentence in as many voices of its split as VOICES_PER_SENTENCE says.

    Every group of voices gets its turn, so that no two speakers share the same sentences.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for split in SPLITS:
        voices = [speaker for speaker in SPEAKERS if speaker.split == split]
        groups = list(combinations(voices, VOICES_PER_SENTENCE[split]))
        for number, row in enumerate(row for row in rows if row["split"] == split):
            for speaker in groups[number % len(groups)]:
                yield Clip(row["id"], row["text"], speaker)


def save(clip: Clip, folder: Path) -> Utterance:
    """Speak one clip into `folder` and describe it."""
    # One stream of random numbers a clip: adding a sentence changes no other clip.
    random = np.random.default_rng(zlib.crc32(clip.id.encode()))
    speech_S = record(speak(clip, random), random)
    path = folder / f"{clip.id}.opus"
    path.write_bytes(encode(speech_S, serial=zlib.crc32(clip.id.encode())))
    return Utterance(
        id=clip.id,
        audio=f"audio/{path.name}",
        text=clip.text,
        language=LANGUAGE,
        duration_s=len(speech_S) / SAMPLE_RATE_HZ,
        split=clip.speaker.split,
        speaker=clip.speaker.name,
        license=LICENSE,
    )


def speak(clip: Clip, random: np.random.Generator) -> Samples:
    """The clip in espeak-ng's clean voice, mono at 16 kHz, without silence around it."""
    rate = clip.speaker.rate_wpm + random.integers(-RATE_JITTER_WPM, RATE_JITTER_WPM + 1)
    pitch = clip.speaker.pitch + random.integers(-PITCH_JITTER, PITCH_JITTER + 1)
    voice = f"{LANGUAGE}+{clip.speaker.variant}"
    options = ["-v", voice, "-s", str(rate), "-p", str(pitch), "-b", "1", "--stdin", "--stdout"]
    wav = espeak(options, clip.text)
    speech_S, rate_hz = sf.read(io.BytesIO(wav), dtype="float32")
    heard = np.flatnonzero(np.abs(speech_S) > SILENT_BELOW)
    if not len(heard):
        raise DataError(f"{clip.id}: espeak-ng said nothing for {clip.text!r}; check the sentence")
    speech_S = soxr.resample(speech_S[heard[0] : heard[-1] + 1], rate_hz, SAMPLE_RATE_HZ)
    return np.asarray(speech_S, dtype=np.float32)


def record(speech_S: Samples, random: np.random.Generator) -> Samples:
    """Speech as a microphone would give it: pauses around it, a little noise, some loudness."""
    pauses = (random.uniform(*SILENCE_S, size=2) * SAMPLE_RATE_HZ).astype(int)
    power = float(np.mean(speech_S**2))
    padded_S = np.pad(speech_S, tuple(pauses))
    noise_power = power / 10 ** (random.uniform(*SNR_DB) / 10)
    noisy_S = padded_S + np.sqrt(noise_power) * random.standard_normal(len(padded_S))
    loud_S = noisy_S / np.abs(noisy_S).max() * random.uniform(*PEAK)
    return np.asarray(loud_S, dtype=np.float32)


def encode(speech_S: Samples, serial: int) -> bytes:
    """Ogg-Opus bytes of mono speech; equal samples and serial give equal bytes."""
    file = io.BytesIO()
    sf.write(
        file,
        speech_S,
        SAMPLE_RATE_HZ,
        format="OGG",
        subtype="OPUS",
        compression_level=OPUS_COMPRESSION,
    )
    return with_serial(file.getvalue(), serial)


def with_serial(ogg: bytes, serial: int) -> bytes:
    """The same Ogg stream under another serial number (RFC 3533, sec. 6).

    libsndfile draws the serial at random, so without this no two builds would be equal.
    """
    pages, start = bytearray(ogg), 0
    while start < len(pages):
        segments = pages[start + 26]
        lacing = pages[start + 27 : start + 27 + segments]
        end = start + 27 + segments + sum(lacing)
        pages[start + 14 : start + 18] = serial.to_bytes(4, "little")
        pages[start + 22 : start + 26] = bytes(4)
        pages[start + 22 : start + 26] = ogg_checksum(pages[start:end]).to_bytes(4, "little")
        start = end
    return bytes(pages)


def ogg_checksum(page: bytes | bytearray) -> int:
    """CRC-32 with polynomial 0x04c11db7, unreflected, from zero: zlib's is the reflected one."""
    checksum = 0
    for byte in page:
        checksum = (checksum << 8) & 0xFFFFFFFF ^ CRC_TABLE[checksum >> 24 ^ byte]
    return checksum


def _crc_entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1) & 0xFFFFFFFF ^ (0x04C11DB7 if value >> 31 else 0)
    return value


CRC_TABLE = [_crc_entry(byte) for byte in range(256)]


def check_voices() -> None:
    """Raises DataError for a missing voice: espeak-ng itself would quietly take another one."""
    listed = espeak(["--voices=variant"], "").decode()
    missing = [s.variant for s in SPEAKERS if f"!v/{s.variant} " not in listed]
    if missing:
        raise DataError(f"espeak-ng has no variant {', '.join(missing)}; install espeak-ng-data")


def espeak(options: list[str], text: str) -> bytes:
    """What espeak-ng writes to standard output. Raises DataError when it is missing or fails."""
    command = ["espeak-ng", *options]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    except FileNotFoundError:
        raise DataError("espeak-ng: no such program; apt install espeak-ng") from None
    except subprocess.CalledProcessError as error:
        raise DataError(f"{' '.join(command)}: {error.stderr.decode().strip()}") from None
    return done.stdout


if __name__ == "__main__":
    main()
