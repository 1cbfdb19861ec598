"""Test examples of augmented clips, for runs whose augmentation is audible."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from clips import tone, write_clip
from report_folders import finished_run, run_record

from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.experiment.records import Identity, RunRecord
from mothertongue.report.augmented_clips import collect_augmented
from mothertongue.report.inputs import RunRecords
from mothertongue.report.write import ReportOptions, write_report
from mothertongue.system.json_files import built

LOUDER = {"gain": {"db": [6.0, 6.0]}, "spec_augment": {}}
SLOWER = {"speed": {"factors": [0.5], "probability": 1.0}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    clips = []
    for i in range(5):
        write_clip(tmp_path / "data" / f"{i}.wav", tone(1.0, 300 + 50 * i))
        clips.append(Utterance(f"<b>{i}", f"{i}.wav", "moja", "sw", 1.0))
    write_manifest(tmp_path / "data" / "manifest.jsonl", clips)
    return tmp_path / "data"


def run_of(data: Path, name: str = "run", **augment: Any) -> RunRecords:
    record = run_record(data=str(data), train={"seed": 0, "augment": augment})
    return records(record, name)


def records(record: dict[str, Any], name: str) -> RunRecords:
    read = built(record, "record.json", RunRecord)
    return RunRecords(name, "sw", "full", read, [], Identity("b", "m"), "")


def sound(mp3: str) -> np.ndarray:
    samples_N, _ = soundfile.read(io.BytesIO(base64.b64decode(mp3)), dtype="float32")
    return samples_N


def test_an_example_is_the_clip_and_what_became_of_it(data: Path) -> None:
    found = collect_augmented([run_of(data), run_of(data, "second", **LOUDER)])
    assert found is not None
    assert found.run == "second"
    assert len({each.id for each in found.examples}) == 3
    for each in found.examples:
        before, after = sound(each.original), sound(each.augmented)
        ratio = np.sqrt(np.square(after).mean() / np.square(before).mean())
        assert ratio == pytest.approx(10 ** (6 / 20), rel=0.05)
    found = collect_augmented([run_of(data, **SLOWER)])
    assert found is not None
    lengths = [(len(sound(e.original)), len(sound(e.augmented))) for e in found.examples]
    assert all(after == pytest.approx(2 * before, rel=0.15) for before, after in lengths)


def test_what_cannot_be_heard_has_no_examples(data: Path, tmp_path: Path) -> None:
    folder = {"folder": str(tmp_path / "not opened")}
    quiet = [run_of(data), run_of(data, spec_augment={}), run_of(data, noise=folder)]
    old = records(run_record(), "old")
    assert collect_augmented([*quiet, old]) is None


def test_clips_that_are_elsewhere_are_left_out(data: Path, tmp_path: Path) -> None:
    for i in range(5):
        (data / f"{i}.wav").unlink()
    for place in (data, tmp_path / "nowhere"):
        found = collect_augmented([run_of(place, **LOUDER)])
        assert found is not None
        assert found.examples == []


def test_a_page_plays_them(data: Path, tmp_path: Path) -> None:
    train = {"seed": 0, "augment": LOUDER}
    run = finished_run(tmp_path / "run", train=train, data=str(data))

    def page(**options: Any) -> str:
        made = write_report([run], tmp_path / "page.html", ReportOptions(**options))
        return Path(made.page).read_text("utf-8")

    html = page()
    assert len(re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,[\w+/=]+"', html)) == 6
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "media-src data:" in html
    assert "<audio" not in page(audio="none")
