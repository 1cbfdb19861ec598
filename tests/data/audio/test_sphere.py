"""NIST SPHERE: a header of text that the samples have to fit."""

from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.audio.load import AudioError, decode, load_audio


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "ALAW"])
def test_plain_codings_are_read_also_under_another_name(tmp_path: Path, subtype: str) -> None:
    path = write_clip(tmp_path / "a.sph", tone(), subtype=subtype)
    sound_N = load_audio(path)
    assert len(sound_N) == len(tone())
    assert abs(sound_N - tone()).max() < 0.02
    # TIMIT and others of LDC have these files as .WAV.
    decoded = decode(path.rename(tmp_path / "a.wav"))
    assert (decoded.notes, len(decoded.samples_N)) == (("AUD-EXT",), len(sound_N))


def changed(folder: Path, old: bytes, new: bytes) -> Path:
    """A file with a changed header of the same length."""
    path = write_clip(folder / "a.sph", tone())
    content = path.read_bytes()
    head = content[:1024].replace(old, new)
    assert head != content[:1024]
    path.write_bytes(head.rstrip(b"\0").ljust(1024, b"\0") + content[1024:])
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"-s3 pcm", b"-s9 shortened", "AUD-FORMAT: .*the coding shortened; expected pcm"),
        (b"count -i 16000", b"count -i 8000", "AUD-CORRUPT: .*claims 16,000 .*file has 32,000"),
        (b"count -i 16000", b"count -i 32000", "AUD-TRUNCATED: .*claims 64,000 bytes"),
        (b"end_head", b"end_", "AUD-HEADER: .*no whole SPHERE header"),
        (b"   1024", b"   soon", "AUD-HEADER: .*no whole SPHERE header"),
        (b"channel_count -i 1\n", b"", "AUD-HEADER: .*no whole SPHERE header"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        load_audio(changed(tmp_path, old, new))


def test_packed_sound_is_refused_with_the_command_that_unpacks_it(tmp_path: Path) -> None:
    path = changed(tmp_path, b"-s3 pcm", b"-s26 pcm,embedded-shorten-v2.00")
    with pytest.raises(AudioError, match=r"AUD-FORMAT: .*run: sph2pipe -f wav a\.sph a\.wav"):
        load_audio(path)
