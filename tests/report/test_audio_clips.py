"""The sound of a page: what is played is what was there, within a budget."""

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from bad_decoders import write_bad
from clips import tone
from disks import no_file_above
from report_folders import save_tested

from mothertongue.errors import DiskFull
from mothertongue.report.audio_clips import (
    Playable,
    Sounds,
    collect_sounds,
    outline,
    remove_unplayed,
    to_mp3,
)


def clip(folder: Path, number: int, errors: int = 0, **changes: Any) -> Playable:
    found = Playable(f"clip{number}", str(folder / f"{number}.wav"), 0.0, 0.6, errors)
    return replace(found, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tested(tmp_path / "data")


def test_mp3_sounds_as_the_clip_does() -> None:
    samples_N = tone(1.0, hertz=440)
    heard_N, rate_hz = soundfile.read(io.BytesIO(to_mp3(samples_N)), dtype="float32")
    assert rate_hz == 16_000
    spectrum = np.abs(np.fft.rfft(heard_N[2000:14000]))
    assert np.argmax(spectrum) * 16_000 / 12_000 == pytest.approx(440, abs=2)
    assert np.abs(heard_N).max() == pytest.approx(np.abs(samples_N).max(), rel=0.2)
    assert len(to_mp3(samples_N)) < 8_000


def test_a_disk_without_room_for_a_clip_is_named(folder: Path, tmp_path: Path) -> None:
    said = r"page_audio/\w+.mp3: no room on the disk"
    with no_file_above(1000), pytest.raises(DiskFull, match=said):
        collect_sounds([[clip(folder, 0)]], "beside", 0, tmp_path / "page.html")
    assert not list((tmp_path / "page_audio").iterdir())


def test_an_outline_has_the_loudest_of_each_stretch() -> None:
    samples_N = np.zeros(16_000, dtype=np.float32)
    samples_N[8_000:] = 0.5
    peaks = np.frombuffer(outline(samples_N), dtype=np.uint8)
    assert len(peaks) == 160
    assert set(peaks[:80]) == {0}
    assert set(peaks[80:]) == {255}
    assert set(outline(np.zeros(10, dtype=np.float32))) == {0}


def test_embedded_beside_or_not_at_all(folder: Path, tmp_path: Path) -> None:
    sets = [[clip(folder, i) for i in range(3)]]
    page = tmp_path / "page.html"
    found = collect_sounds(sets, "embed", 10**6, page).found
    assert set(found) == {"0/0", "0/1", "0/2"}
    assert soundfile.info(io.BytesIO(base64.b64decode(found["0/1"]["mp3"]))).duration > 0.5
    beside = collect_sounds(sets, "beside", 0, page).found
    assert soundfile.info(tmp_path / beside["0/2"]["src"]).samplerate == 16_000
    assert Path(beside["0/2"]["src"]).parent.name == "page_audio"
    assert collect_sounds(sets, "none", 10**6, page).found == {}


def test_of_an_earlier_page_no_sound_is_left(folder: Path, tmp_path: Path) -> None:
    page, beside = tmp_path / "page.html", tmp_path / "page_audio"

    def played(*numbers: int) -> set[str]:
        clips = [clip(folder, number) for number in numbers]
        sounds = collect_sounds([clips], "beside", 0, page)
        remove_unplayed(page, sounds)
        return {Path(each["src"]).name for each in sounds.found.values()}

    first = played(0, 1)
    (beside / "0-7.mp3").write_bytes(b"as earlier versions named them")
    (beside / "mine.mp3").write_bytes(b"mine")
    second = played(1, 2)
    assert len(first & second) == 1
    assert {path.name for path in beside.iterdir()} == {*second, "mine.mp3"}
    (beside / "mine.mp3").unlink()
    remove_unplayed(page, Sounds())
    assert not beside.exists()


def test_a_budget_takes_the_worst_first_and_counts_the_rest(folder: Path, tmp_path: Path) -> None:
    sets = [[clip(folder, i, errors=i) for i in range(3)]]
    one = len(base64.b64encode(to_mp3(tone(0.6, hertz=300))))
    found = collect_sounds(sets, "embed", int(1.5 * one), tmp_path / "page.html")
    assert list(found.found) == ["0/2"]
    assert found.over_budget == 2


def test_sets_share_the_budget(folder: Path, tmp_path: Path) -> None:
    sets = [[clip(folder, i) for i in range(2)] for _ in range(2)]
    one = len(base64.b64encode(to_mp3(tone(0.6, hertz=300))))
    found = collect_sounds(sets, "embed", int(2.5 * one), tmp_path / "page.html")
    assert {place.split("/")[0] for place in found.found} == {"0", "1"}


def test_what_cannot_be_read_is_named(
    bad_task: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mothertongue.report.audio_clips.TASK", bad_task)
    (folder / "1.wav").write_bytes(b"RIFF")
    write_bad(folder / "3.wav", "crash")
    clips = [clip(folder, 0), clip(folder, 1), clip(folder, 2, audio=None), clip(folder, 3)]
    found = collect_sounds([clips], "embed", 10**6, tmp_path / "page.html")
    assert list(found.found) == ["0/0"]
    told = sorted(found.unreadable)
    assert [each.partition(": ")[0] for each in told] == ["clip1", "clip2", "clip3"]
    assert told[1] == "clip2: in no manifest any more"
    assert "3.wav: its decoder crashed (SIGSEGV)" in told[2]
