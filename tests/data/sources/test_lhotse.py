import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.lhotse import LhotseSource
from mothertongue.errors import Fault

Json = dict[str, Any]


def recording(**values: object) -> Json:
    source = {"type": "file", "channels": [0], "source": "wav/a.wav"}
    facts: Json = {"id": "r1", "sources": [source], "sampling_rate": 16_000}
    return facts | {"num_samples": 64_000, "duration": 4.0, "channel_ids": [0]} | values


def supervision(**values: object) -> Json:
    facts: Json = {"id": "s1", "recording_id": "r1", "start": 0.5, "duration": 1.5, "channel": 0}
    return facts | {"text": "habari", "speaker": "p1", "language": "Swahili"} | values


def cut(**values: object) -> Json:
    facts: Json = {"id": "c1", "start": 1.0, "duration": 2.0, "channel": 0, "type": "MonoCut"}
    return facts | {"supervisions": [supervision()], "recording": recording()} | values


def write(path: Path, *records: Json | str) -> Path:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def rows(path: Path) -> list[Row | Rejection]:
    source = detect(path)
    assert isinstance(source, LhotseSource)
    return list(source.rows())


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_supervisions_are_joined_with_their_recordings(tmp_path: Path, suffix: str) -> None:
    other = recording(id="r2")
    write(tmp_path / f"x_recordings_dev-clean.{suffix}", recording(), other)
    whole = supervision(id="s2", start=0, duration=4, text="yote")
    path = write(tmp_path / f"x_supervisions_dev-clean.{suffix}", supervision(), whole)
    known = {"audio": "wav/a.wav", "language": "Swahili", "speaker": "p1", "split": "validation"}
    write(tmp_path / "x_recordings_test.jsonl", recording())
    third = supervision(id="s3", text="jaribio")
    test, tested = write(tmp_path / "x_supervisions_test.jsonl", third), known | {"split": "test"}
    untranscribed = Row(
        f"{tmp_path}/x_recordings_dev-clean.{suffix}:2",
        audio="wav/a.wav",
        id="r2",
        duration_s=4.0,
        aside="untranscribed",
    )
    assert rows(tmp_path) == [
        Row(f"{path}:1", text="habari", id="s1", start_s=0.5, duration_s=1.5, **known),
        Row(f"{path}:2", text="yote", id="s2", duration_s=4.0, **known),
        Row(f"{test}:1", text="jaribio", id="s3", start_s=0.5, duration_s=1.5, **tested),
        untranscribed,
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_times_of_a_cuts_supervisions_start_at_the_cut(tmp_path: Path, suffix: str) -> None:
    before = supervision(id="s0", start=-0.25, duration=0.5)
    cuts = [cut(supervisions=[before, supervision()]), cut(id="c2", supervisions=[])]
    path = write(tmp_path / f"cuts_train.{suffix}", *cuts)
    write(tmp_path / "cuts_dev.jsonl", cut(id="c3"))
    _, *found = (row for row in rows(tmp_path) if isinstance(row, Row))
    assert [(row.id, row.start_s, row.duration_s, row.split) for row in found] == [
        ("s0", 0.75, 0.5, "train"),
        ("s1", 1.5, 1.5, "train"),
        ("c2", 1.0, 2.0, None),
    ]
    assert [row.aside for row in found] == [None, None, "untranscribed"]
    # A file that is given by its own name says nothing about other splits.
    assert {row.split for row in rows(path) if isinstance(row, Row)} == {None}


def test_cuts_beside_supervisions_are_the_same_clips_and_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "recordings.jsonl", recording())
    write(tmp_path / "supervisions.jsonl", supervision())
    write(tmp_path / "cuts.jsonl", cut())
    assert [row.where for row in rows(tmp_path)] == [f"{tmp_path}/supervisions.jsonl:1"]


def source(**values: object) -> Json:
    known = {"type": "file", "channels": [0], "source": "a.wav"}
    return cut(recording=recording(sources=[known | values]))


FAULTS: dict[str, tuple[str, str, Json | str]] = {
    "mixed": ("MAN-CUT", "a MixedCut; expected a MonoCut", {"id": "m", "type": "MixedCut"}),
    "padding": ("MAN-CUT", "a PaddingCut", {"id": "p", "type": "PaddingCut", "duration": 1}),
    "command": ("MAN-RECORDING", "type command; expected file",
                source(type="command", source="touch pwned")),
    "url": ("MAN-RECORDING", "type url", source(type="url", source="https://x.org/a.wav")),
    "memory": ("MAN-RECORDING", "type memory", source(type="memory", source="")),
    "other channel": ("MAN-RECORDING", "channel 0 has", source(channels=[1])),
    "two channels": ("MAN-CHANNEL", "of a file with channels [0, 1]", source(channels=[0, 1])),
    "perturbed": ("MAN-RECORDING", "its samples are computed, by [{'name': 'Speed'",
                  cut(recording=recording(transforms=[{"name": "Speed", "kwargs": {}}]))),
    "no recording": ("MAN-RECORDING", "no recording r1", cut(recording=None)),
    "no sources": ("MAN-RECORDING", "type none", cut(recording=recording(sources=[]))),
    "wrong type": ("MAN-TYPE", "supervisions.0.start: Input should be a valid number",
                   cut(supervisions=[supervision(start="soon")])),
    "before zero": ("MAN-TYPE", "start_s is '-2.0'", cut(start=-2.5)),
    "truncated": ("MAN-JSON", "not a JSON object", '{"id": "c1", "type": "Mo'),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_a_cut_costs_that_cut(tmp_path: Path, name: str) -> None:
    code, message, bad = FAULTS[name]
    path = write(tmp_path / "cuts.jsonl", cut(), bad, cut(id="c3"))
    first, found, last = rows(path)
    assert isinstance(first, Row) and isinstance(last, Row)
    assert isinstance(found, Rejection)
    assert (found.code, found.where) == (code, f"{path}:2")
    assert message in found.reason
    assert not (tmp_path / "pwned").exists()


def test_faults_of_recordings(tmp_path: Path) -> None:
    bad = {"id": "r3", "sources": "a.wav", "sampling_rate": 1}
    path = write(
        tmp_path / "recordings.jsonl", recording(), recording(), recording(duration=9), bad
    )
    write(tmp_path / "supervisions.jsonl", supervision(), supervision(recording_id="r7"))
    found = rows(tmp_path)
    faults = [(row.code, row.where) for row in found if isinstance(row, Rejection)]
    assert faults == [
        ("MAN-DUP", f"{path}:3"),
        ("MAN-TYPE", f"{path}:4"),
        ("MAN-RECORDING", f"{tmp_path}/supervisions.jsonl:2"),
    ]
    assert len(found) == 4


def test_a_cut_gzip_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "cuts.jsonl.gz", *(cut(id=str(number)) for number in range(5_000)))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:9], b"no gzip", whole[:-4] + b"\0\0\0\0"):
        path.write_bytes(content)
        with pytest.raises(Fault, match=r"cuts\.jsonl\.gz: not a whole gzip file"):
            rows(tmp_path)


def test_a_manifest_whose_first_line_is_damaged_is_told(tmp_path: Path) -> None:
    write(tmp_path / "cuts_train.jsonl", cut())
    write(tmp_path / "cuts_test.jsonl", '{"id": "c2", "sta', cut(id="c3"))
    source = detect(tmp_path)
    assert len(list(source.rows())) == 1
    assert source.remarks == (
        "files that do not begin with a JSON object, not read: cuts_test.jsonl",
    )
