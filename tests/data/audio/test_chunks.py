"""The lengths that chunks state, against the file."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from clips import patch, tone, write_clip

from mothertongue.data.audio.file import AudioFile
from mothertongue.data.audio.headers import inspect_file
from mothertongue.data.audio.load import SAMPLE_RATE_HZ, AudioError, load_audio

# name -> (options of soundfile, offset of the length of the samples, its layout)
LENGTHS = {
    "a.wav": ({}, 40, "<I"),
    "rifx.wav": ({"endian": "BIG"}, 40, ">I"),
    "rf64.wav": ({"format": "RF64"}, 28, "<Q"),
    "a.w64": ({}, 96, "<Q"),
    "a.aiff": ({}, 42, ">I"),
    "a.au": ({}, 8, ">I"),
    "a.caf": ({}, 4084, ">Q"),
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("sound", ["tone", "silence"])
def test_a_length_that_is_too_small_is_refused(tmp_path: Path, name: str, sound: str) -> None:
    options, offset, layout = LENGTHS[name]
    samples_N = tone() * (sound == "tone")
    path = write_clip(tmp_path / name, samples_N, subtype="PCM_16", **options)
    (length,) = struct.unpack_from(layout, path.read_bytes(), offset)
    assert length == pytest.approx(2 * SAMPLE_RATE_HZ, abs=100)
    patch(path, offset, layout, length // 2 & ~7)
    with pytest.raises(AudioError, match="AUD-CORRUPT"):
        inspect_file(path)


def test_a_long_wav_that_was_cut_is_not_taken_for_one_from_a_pipe(tmp_path: Path) -> None:
    path = patch(write_clip(tmp_path / "a.wav", tone()), 40, "<I", 0x90000000)
    with pytest.raises(AudioError, match="claims 2,415,919,104 bytes of samples, the file has 32,"):
        inspect_file(path)


@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_a_chunk_of_odd_length_may_lack_its_padding(tmp_path: Path, pad: bytes) -> None:
    path = write_clip(tmp_path / "a.wav", tone()[:999], subtype="PCM_U8")
    content = path.read_bytes()[: 44 + 999]
    path.write_bytes(content + pad + b"LIST\x04\0\0\0INFO")
    assert len(load_audio(path)) == 999


@pytest.mark.parametrize("name", ["rifx.wav", "rf64.wav", "a.w64"])
def test_bits_are_checked_in_every_kind_of_wav(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, tone(), subtype="PCM_16", **LENGTHS[name][0])
    content = path.read_bytes()
    order = ">" if name == "rifx.wav" else "<"
    offset = content.index(struct.pack(f"{order}HH", 2, 16)) + 2
    with pytest.raises(AudioError, match=r"AUD-HEADER: .* 7 bits, 1 channels"):
        inspect_file(patch(path, offset, f"{order}H", 7))


@pytest.mark.parametrize(
    ("chunk", "code"), [(bytes(8), "AUD-CORRUPT"), (b"AAAA\0\0\0\0", "AUD-HEADER")]
)
def test_a_file_of_nothing_but_chunks_is_refused_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: bytes, code: str
) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.write(b"RIFF\0\0\0\0WAVE" + chunk * 20_000)
        file.truncate(200_000_000)
    num_reads, read = 0, AudioFile.read

    def counted(source: AudioFile, position: int, count: int) -> bytes:
        nonlocal num_reads
        num_reads += 1
        return read(source, position, count)

    monkeypatch.setattr(AudioFile, "read", counted)
    with pytest.raises(AudioError, match=code):
        inspect_file(path)
    assert num_reads < 25_000


def test_a_web_page_is_no_live_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    path.write_bytes(b"\x1aE\xdf\xa3\x80" + b"<html>" * 99)
    with pytest.raises(AudioError, match="byte 5 begins no chunk"):
        inspect_file(path)


@pytest.mark.parametrize("subtype", sorted({*sf.available_subtypes("WAV")} - {"MPEG_LAYER_III"}))
def test_wav_of_every_encoding_is_taken(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.wav"
    rate_hz = 8_000 if subtype.startswith(("G72", "NMS")) else 16_000
    write_clip(path, tone(1.0, rate_hz=rate_hz).astype(np.float32), rate_hz, subtype=subtype)
    assert inspect_file(path) == "wav"
