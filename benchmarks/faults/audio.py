"""Audio that is cut, damaged, forged, of another kind, or no regular file at all."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faults.home import Home
from faults.inputs import Input, Write, content
from faults.sounds import (
    FORMATS,
    RATE_HZ,
    by_soundfile,
    cut,
    flipped,
    packed,
    speechlike,
    video_only,
    whole,
)
from faults.verbs import VERBS

CHECKED = ("flac", "ogg", "opus")  # formats that carry a checksum of the sound itself
FLOAT = {"format": "WAV", "subtype": "FLOAT"}
HEARD = {"transcribe": 0, "serve": 0, "label": None}  # no fault where nothing is learnt from it
CHOSEN = {"label": None}  # the text of a base of random weights may pass its filters or not
FROM_PATHS = tuple(VERBS["audio"])  # an upload has no path
ID3 = b"ID3\x03\0\0\0\0\0\x0a" + bytes(10)


def inputs() -> Iterator[Input]:
    """Every one of them."""
    for name, write in (*_damaged(), *_headers(), *_foreign(), *_joined()):
        yield Input("audio", name, write)
    for name, write in _whole_all_the_same():
        yield Input("audio", name, write, code=0, codes=CHOSEN)
    for name, samples in _samples().items():
        yield Input("audio", name, content(by_soundfile(samples, **FLOAT)))
    for name, samples in _only_for_hearing().items():
        yield Input("audio", name, content(by_soundfile(samples)), codes=HEARD)
    # `check` is there to find it; what was given a length of 1 s has it.
    silence = content(by_soundfile(np.zeros(RATE_HZ, np.float32)))
    yield Input("audio", "silence.wav", silence, codes=HEARD | {"train": 0, "evaluate": 0})
    for name, write in _no_files().items():
        yield Input("audio", name, write, only=FROM_PATHS)
    # Who names a file means it; only a table of strangers may not lead anywhere.
    yield Input("audio", "outside.wav", _outside, only=("prepare",))


def _damaged() -> Iterator[tuple[str, Write]]:
    for name in FORMATS:
        data = whole(name)
        for share in (0.9, 0.6, 0.1):
            yield f"cut{round(100 * share)}.{name}", content(cut(data, share))
        yield f"header.{name}", content(data[:40])
        if name in CHECKED:
            yield f"flipped.{name}", content(flipped(data))
            yield f"one-byte.{name}", content(flipped(data, 1))


def _headers() -> Iterator[tuple[str, Write]]:
    wav, flac, m4a, caf = (whole(name) for name in ("wav", "flac", "m4a", "caf"))
    au, rf64 = whole("au"), whole("rf64.wav")
    samples = len(wav) - 44
    wavs = {
        **{f"bits-{bits}.wav": (34, "<H", bits) for bits in (0, 7, 12, 65535)},
        **{f"rate-{rate}.wav": (24, "<I", rate) for rate in (0, 1, 3999, 2**31, 2**32 - 1)},
        **{f"channels-{count}.wav": (22, "<H", count) for count in (0, 9, 255, 65535)},
        "format-unknown.wav": (20, "<H", 0x99),
        "data-half.wav": (40, "<I", samples // 2),
        "data-double.wav": (40, "<I", 2 * samples),
        "data-huge.wav": (40, "<I", 0x7FFEFFFF),
        "data-none.wav": (40, "<I", 0),
        "fmt-of-4-bytes.wav": (16, "<I", 4),
        "no-fmt.wav": (12, "<I", 0x20202020),
        "no-data.wav": (36, "<I", 0x20202020),
    }
    for name, patch in wavs.items():
        yield name, content(packed(wav, *patch))
    yield "riff-alone.wav", content(wav[:12])
    yield "fmt-alone.wav", content(wav[:36])
    yield "empty-chunks.wav", content(wav[:12] + bytes(400_000))
    yield "total-quarter.flac", content(packed(flac, 22, ">I", 4000))
    yield "total-huge.flac", content(packed(flac, 21, ">B", flac[21] | 0x0F))
    yield "rate-odd.flac", content(packed(flac, 18, ">H", 0xFFFF))
    yield "rate-0.caf", content(packed(caf, 20, ">d", 0.0))
    yield "rate-nan.caf", content(packed(caf, 20, ">d", float("nan")))
    yield "rate-huge.caf", content(packed(caf, 20, ">d", 1e300))
    yield "data-huge.au", content(packed(au, 8, ">I", 2**30))
    yield "header-huge.au", content(packed(au, 4, ">I", 2**31))
    yield "size-huge.rf64.wav", content(packed(rf64, 28, "<Q", 2**62))
    for box, offset, layout, value in (
        ("stsz", 12, ">I", 0x7FFFFFFF),
        ("stts", 8, ">I", 0x7FFFFFFF),
        ("mdhd", 16, ">I", 1),
    ):
        yield (
            f"{box}-forged.m4a",
            content(packed(m4a, m4a.find(box.encode()) + offset, layout, value)),
        )


def _whole_all_the_same() -> Iterator[tuple[str, Write]]:
    """Fields that no decoder needs: all of the sound is there, and is taken."""
    aiff, w64, m4a = whole("aiff"), whole("w64"), whole("m4a")
    yield "frames-huge.aiff", content(packed(aiff, 22, ">I", 2**32 - 1))
    yield "frames-few.aiff", content(packed(aiff, 22, ">I", 100))
    yield "size-huge.w64", content(packed(w64, 16, "<Q", 2**63))
    yield "channels-500.m4a", content(packed(m4a, m4a.find(b"mp4a") + 20, ">H", 500))
    yield "chunks-huge.m4a", content(packed(m4a, m4a.find(b"stco") + 8, ">I", 2**32 - 1))


def _joined() -> Iterator[tuple[str, Write]]:
    """Return files that hold more, or other, than their beginning says."""
    wav, ogg, opus, mp3 = (whole(name) for name in ("wav", "ogg", "opus", "mp3"))
    yield "twice.ogg", content(ogg + ogg)
    yield "two-kinds.ogg", content(ogg + opus)
    yield "end-of-another.ogg", content(cut(ogg, 0.6) + ogg[ogg.rfind(b"OggS") :])
    yield "end-of-another.opus", content(cut(opus, 0.6) + opus[opus.rfind(b"OggS") :])
    yield "twice.mp3", content(mp3 + mp3)
    yield "id3-cut.wav", content(ID3 + cut(wav, 0.6))
    yield "id3-bits.wav", content(ID3 + packed(wav, 34, "<H", 7))
    yield "id3-cut.ogg", content(ID3 + cut(ogg, 0.6))
    yield "id3-cut.mp3", content(ID3 + cut(mp3, 0.6))
    yield "id3-alone.mp3", content(ID3)
    yield "id3-huge.mp3", content(b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + mp3)


def _foreign() -> Iterator[tuple[str, Write]]:
    chance = np.random.default_rng(0)
    frames = b"".join(b"\xff\xfb\x90\x00" + chance.bytes(413) for _ in range(50))
    adts = b"".join(b"\xff\xf1\x50\x80\x10\x1f\xfc" + chance.bytes(121) for _ in range(50))
    found: dict[str, bytes | str] = {
        "nothing.wav": b"",
        "random.wav": chance.bytes(5000),
        "zeros.mp3": bytes(5000),
        "page.mp3": "<html><body>404 Not Found</body></html>" * 20,
        "words.flac": "habari ya asubuhi\n" * 100,
        "picture.wav": b"\x89PNG\r\n\x1a\n" + chance.bytes(2000),
        "paper.mp3": b"%PDF-1.7\n" + chance.bytes(2000),
        "archive.wav": b"PK\x03\x04" + chance.bytes(2000),
        "program.wav": b"\x7fELF\x02\x01\x01" + bytes(2000),
        "squeezed.flac": b"\x1f\x8b\x08" + chance.bytes(2000),
        "magic.flac": b"fLaC" + bytes(100),
        "magic.ogg": b"OggS" + bytes(60),
        "magic.webm": b"\x1aE\xdf\xa3" + bytes(200),
        "magic.m4a": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + bytes(200),
        "magic.caf": b"caff\0\x01\0\0" + bytes(100),
        "noise.amr": b"#!AMR\n" + chance.bytes(3000),
        "noise-wide.amr": b"#!AMR-WB\n" + chance.bytes(3000),
        "noise.aac": adts,
        "noise.mp3": frames,
        "list.m4a": "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "concat.m4a": "ffconcat version 1.0\nfile '/etc/passwd'\n",
        "session.m4a": "v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "list-behind-ftyp.m4a": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42\n#EXTM3U\nfile:///etc/passwd\n",
        "pictures-alone.mp4": video_only(),
    }
    for name, data in found.items():
        yield name, content(data)


def _samples() -> dict[str, np.ndarray]:
    def with_one(value: float) -> np.ndarray:
        samples_N = speechlike(1.0)
        samples_N[100] = value
        return samples_N

    return {
        "nan.wav": with_one(np.nan),
        "inf.wav": with_one(np.inf),
        "minus-inf.wav": with_one(-np.inf),
        "one-huge.wav": with_one(1e30),
        "all-huge.wav": speechlike(1.0) * 1e30,
        "integers.wav": speechlike(1.0) * 32_768,
    }


def _only_for_hearing() -> dict[str, np.ndarray]:
    """Sound that teaches nothing, and that may yet be transcribed."""
    return {
        "one-sample.wav": speechlike(1.0)[:1],
        "too-short.wav": speechlike(0.05),
        "too-long.wav": np.tile(speechlike(1.0), 31),
    }


def _no_files() -> dict[str, Write]:
    return {
        "missing.wav": lambda path, home: None,
        "folder.wav": lambda path, home: path.mkdir(),
        "pipe.wav": lambda path, home: os.mkfifo(path),
        "socket.wav": lambda path, home: _bind(path),
        "device.wav": lambda path, home: path.symlink_to("/dev/zero"),
        "dangling.wav": lambda path, home: path.symlink_to("dangling.wav.gone"),
        "circle.wav": lambda path, home: path.symlink_to(path.name),
    }


def _outside(path: Path, home: Home) -> None:
    path.symlink_to(home.clip)


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.path.relpath(path))
