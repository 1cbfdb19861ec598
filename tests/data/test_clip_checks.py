import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from clips import cut, tone, write_clip

from mothertongue.data.clip_checks import Examined, Examiner, Limits
from mothertongue.data.sound_facts import listen
from mothertongue.data.sources.base import Rejection, Row

TEXT = "habari ya asubuhi"
GOOD = Row("t.csv:2", audio="a.wav", text=TEXT, language="sw")


def examiner(root: Path, may_leave_root: bool = False, **limits: object) -> Examiner:
    given = Limits.model_validate(limits)
    return Examiner(root.resolve(), may_leave_root, None, given, count_characters, listen)


def count_characters(text: str, language: str) -> int:
    return len(text) + 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_clip(tmp_path / "data" / "a.wav", tone())
    write_clip(tmp_path / "outside.wav", tone())
    return tmp_path / "data"


def passed(item: Examined | Rejection) -> Examined:
    assert isinstance(item, Examined), item
    return item


def test_a_good_row_is_an_utterance(data: Path) -> None:
    row = replace(GOOD, speaker=" S1 ", split="dev", license="CC0")
    found = passed(examiner(data)(row))
    assert found.utterance.audio == str(data.resolve() / "a.wav")
    assert found.utterance.duration_s == 1.0
    assert (found.utterance.id, found.long_id) == ("a", "a.wav")
    assert (found.utterance.speaker, found.utterance.license) == ("S1", "CC0")
    assert found.split == found.utterance.split == "validation"
    assert found.notes == ()


def test_a_path_of_windows_is_found(data: Path) -> None:
    write_clip(data / "clips/b.wav", tone())
    found = passed(examiner(data)(replace(GOOD, audio="clips\\b.wav"))).utterance
    assert found.audio == str(data.resolve() / "clips/b.wav")
    outside = examiner(data)(replace(GOOD, audio="..\\outside.wav"))
    assert isinstance(outside, Rejection)
    assert outside.code == "PATH-OUTSIDE"


def test_a_part_of_a_long_recording_is_an_utterance(data: Path) -> None:
    write_clip(data / "long.wav", tone(60.0))
    row = replace(GOOD, audio="long.wav", start_s=30.0, duration_s=2.0)
    found = passed(examiner(data)(row)).utterance
    assert (found.id, found.start_s, found.duration_s) == ("long@30", 30.0, 2.0)


# (code, what the message says, the row)
ROW_FAULTS: dict[str, tuple[str, str, Row]] = {
    "no audio": ("AUD-MISSING", "names no audio file", replace(GOOD, audio=None)),
    "missing audio": ("AUD-MISSING", "No such file", replace(GOOD, audio="b.wav")),
    "no text": ("TXT-EMPTY", "the text is empty", replace(GOOD, text=None)),
    "blank text": ("TXT-EMPTY", "the text is empty", replace(GOOD, text=" \u200b\n")),
    "punctuation": ("TXT-EMPTY", "'... !' holds no letter", replace(GOOD, text="... !")),
    "lost characters": ("TXT-BROKEN", "U+FFFD", replace(GOOD, text="caf\ufffd")),
    "too many tokens": ("TXT-LONG", "452 label tokens", replace(GOOD, text="é" * 447)),
    "unknown language": ("LANG-UNKNOWN", "'xx'", replace(GOOD, language="xx")),
    "no language": ("LANG-MISSING", "names no language", replace(GOOD, language=None)),
    "unknown split": ("MAN-SPLIT", "'holdout'; expected train", replace(GOOD, split="holdout")),
    "start only": ("MAN-SEGMENT", "without a duration", replace(GOOD, start_s=0.5)),
    "parent folder": ("PATH-OUTSIDE", "outside of", replace(GOOD, audio="../outside.wav")),
    "system file": ("PATH-OUTSIDE", "/etc/passwd", replace(GOOD, audio="/etc/passwd")),
    "home": ("PATH-OUTSIDE", "home folder", replace(GOOD, audio="~/a.wav")),
    "url": ("PATH-OUTSIDE", "is a URL", replace(GOOD, audio="https://example.org/a.wav")),
    "unc": ("PATH-OUTSIDE", "is a URL", replace(GOOD, audio="\\\\server\\a.wav")),
    "nul": ("PATH-OUTSIDE", "no path", replace(GOOD, audio="a\0.wav")),
    "name too long": ("AUD-MISSING", "File name too long", replace(GOOD, audio="a" * 300)),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_fault_of_a_row(data: Path, name: str) -> None:
    code, message, row = ROW_FAULTS[name]
    found = examiner(data)(row)
    assert isinstance(found, Rejection)
    assert (found.code, found.where) == (code, "t.csv:2")
    assert message in found.reason
    assert found.fix
    assert found.row.get("audio") == row.audio


# (code, what the message says, the file a.wav)
CLIP_FAULTS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "empty": ("AUD-EMPTY", "0 bytes", lambda path: path.write_bytes(b"")),
    "truncated": ("AUD-TRUNCATED", "32,000 bytes of samples", cut),
    "not audio": ("AUD-FORMAT", "starts with", lambda path: path.write_bytes(b"hello there")),
    "one sample": (
        "AUD-SHORT",
        "0.000 s; expected at least",
        lambda p: write_clip(p, tone(1 / 16e3)),
    ),
    "too short": (
        "AUD-SHORT",
        "0.090 s; expected at least 0.1",
        lambda p: write_clip(p, tone(0.09)),
    ),
    "too long": ("AUD-LONG", "30.10 s; expected at most 30", lambda p: write_clip(p, tone(30.1))),
    "silent": ("AUD-SILENT", "silence", lambda p: write_clip(p, np.zeros(16000, "f4"))),
    "constant": ("AUD-SILENT", "silence", lambda p: write_clip(p, np.full(16000, 0.2, "f4"))),
    "not finite": (
        "AUD-NONFINITE",
        "NaN or infinite",
        lambda p: write_clip(p, np.full(16000, np.inf, "f4"), subtype="FLOAT"),
    ),
}


@pytest.mark.parametrize("name", CLIP_FAULTS)
def test_fault_of_a_clip(data: Path, name: str) -> None:
    code, message, damage = CLIP_FAULTS[name]
    damage(data / "a.wav")
    found = examiner(data)(GOOD)
    assert isinstance(found, Rejection)
    assert found.code == code
    assert message in found.reason


def test_exactly_thirty_seconds_is_not_too_long(data: Path) -> None:
    write_clip(data / "a.wav", tone(30.0, rate_hz=44_100), 44_100)
    assert passed(examiner(data)(GOOD)).utterance.duration_s == 30.0


def test_symbolic_link_out_of_the_folder_is_outside(data: Path) -> None:
    (data / "link.wav").symlink_to(data.parent / "outside.wav")
    (data / "folder").symlink_to(data.parent)
    for audio in ("link.wav", "folder/outside.wav"):
        found = examiner(data)(replace(GOOD, audio=audio))
        assert isinstance(found, Rejection)
        assert found.code == "PATH-OUTSIDE"


def test_symbolic_link_to_a_name_that_is_not_utf8_costs_its_row(data: Path) -> None:
    (data / "a.wav").rename(data / os.fsdecode(b"\xe9.wav"))
    (data / "link.wav").symlink_to(data / os.fsdecode(b"\xe9.wav"))
    found = examiner(data)(replace(GOOD, audio="link.wav"))
    assert isinstance(found, Rejection)
    assert found.code == "PATH-NAME"
    assert json.dumps(found.reason, ensure_ascii=False).encode()


def test_symbolic_link_within_the_folder_is_followed(data: Path) -> None:
    (data / "link.wav").symlink_to(data / "a.wav")
    assert passed(examiner(data)(replace(GOOD, audio="link.wav"))).utterance.id == "a"


def test_outside_is_taken_when_it_may_be(data: Path) -> None:
    examine = examiner(data, may_leave_root=True)
    for audio in ("../outside.wav", str(data.parent / "outside.wav")):
        assert passed(examine(replace(GOOD, audio=audio))).utterance.id == "outside"
    url = examine(replace(GOOD, audio="http://example.org/a.wav"))
    assert isinstance(url, Rejection)


@pytest.mark.parametrize(
    ("there", "written"),
    [
        ("e\u0301.wav", "\u00e9.wav"),
        ("\u00e9.wav", "e\u0301.wav"),
        ("e\u0301\u00e9.wav", "\u00e9\u00e9.wav"),
        ("\u00e9/e\u0301/a.wav", "e\u0301/\u00e9/a.wav"),
    ],
)
def test_name_in_another_unicode_form_is_found(data: Path, there: str, written: str) -> None:
    write_clip(data / there, tone())
    assert passed(examiner(data)(replace(GOOD, audio=written))).notes == ("PATH-FORM",)


@pytest.mark.parametrize("end", ["a.wav", ".."])
def test_a_long_path_of_many_parts_is_no_file(
    data: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """And the disk is not asked for each part, which takes seconds."""
    examine, asked = examiner(data), list[str]()
    monkeypatch.setattr(os.path, "realpath", lambda path: asked.append(path) or path)
    found = examine(replace(GOOD, audio="\u00e9/" * 100_000 + end))
    assert isinstance(found, Rejection)
    assert found.code == "AUD-MISSING"
    assert asked == []


@pytest.mark.parametrize(
    "path", ["a/../" * 1_000 + "link/outside.wav", "a/../" * 1_000 + "../outside.wav"]
)
def test_a_long_path_leads_nowhere_else(data: Path, path: str) -> None:
    (data / "link").symlink_to(data.parent)
    found = examiner(data)(replace(GOOD, audio=path))
    assert isinstance(found, Rejection)
    assert found.code == "PATH-OUTSIDE"


# (note, the row, the file a.wav)
NOTED: dict[str, tuple[str, Row, np.ndarray]] = {
    "stereo": ("AUD-STEREO", GOOD, np.stack([tone(), tone()], axis=1)),
    "anti-phase": ("AUD-PHASE", GOOD, np.stack([tone(), -tone()], axis=1)),
    "quiet": ("AUD-QUIET", GOOD, tone() / 50),
    "clipped": ("AUD-CLIPPED", GOOD, np.sign(tone())),
    "NFD": ("TXT-NFC", replace(GOOD, text="cafe\u0301 habari"), tone()),
    "BOM": ("TXT-CONTROL", replace(GOOD, text="\ufeffhabari"), tone()),
    "bidi": ("TXT-CONTROL", replace(GOOD, text="\u202ehabari"), tone()),
    "special token": ("TXT-SPECIAL", replace(GOOD, text="<|en|> habari"), tone()),
    "too fast": ("TXT-RATE", replace(GOOD, text="habari" * 6), tone()),
    "too slow": ("TXT-RATE", replace(GOOD, text="a"), tone()),
    "wrong duration": ("MAN-DURATION", replace(GOOD, duration_s=2.0), tone()),
    "no number": ("MAN-DURATION", replace(GOOD, duration_s=float("nan")), tone()),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_is_kept_but_odd_is_noted(data: Path, name: str) -> None:
    note, row, samples = NOTED[name]
    write_clip(data / "a.wav", samples)
    assert passed(examiner(data)(row)).notes == (note,)


@pytest.mark.parametrize("duration_s", [2.0, 1e300, float("nan")])
def test_a_manifest_is_checked_for_the_durations_that_training_refuses(
    data: Path, duration_s: float
) -> None:
    examine = examiner(data, exact_durations=True)
    found = examine(replace(GOOD, duration_s=duration_s))
    assert isinstance(found, Rejection)
    assert found.code == "MAN-DURATION"
    assert passed(examine(replace(GOOD, duration_s=1.0))).notes == ()


def test_label_is_counted_only_where_its_bytes_could_be_too_many(data: Path) -> None:
    texts: list[str] = []

    def count(text: str, language: str) -> int:
        texts.append(f"{language}:{text}")
        return 448

    examine = replace(examiner(data), count_label_tokens=count)
    passed(examine(GOOD))
    passed(examine(replace(GOOD, text="a" * 448)))
    assert texts == [f"sw:{'a' * 448}"]


def test_same_sound_has_the_same_key_in_any_lossless_format(data: Path) -> None:
    pcm_N, rate_hz = sf.read(data / "a.wav", dtype="int16")
    write_clip(data / "b.flac", pcm_N, rate_hz)
    write_clip(data / "c.wav", tone(hertz=441))
    keys = [
        passed(examiner(data)(replace(GOOD, audio=audio))).audio_key
        for audio in ("a.wav", "b.flac", "c.wav")
    ]
    assert keys[0] == keys[1] != keys[2]


def test_trusted_duration_is_taken_without_decoding(data: Path) -> None:
    examine = replace(examiner(data, trust_durations=True), listen=lambda _: pytest.fail("decoded"))
    assert passed(examine(replace(GOOD, duration_s=1.5))).utterance.duration_s == 1.5
    too_long = examine(replace(GOOD, duration_s=31.0))
    assert isinstance(too_long, Rejection)
    assert too_long.code == "AUD-LONG"
    missing = examine(replace(GOOD, audio="b.wav", duration_s=1.0))
    assert isinstance(missing, Rejection)
    assert missing.code == "AUD-MISSING"
