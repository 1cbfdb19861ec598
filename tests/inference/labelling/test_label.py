"""Recordings without text become training data, the same however often the command is stopped."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from narrator import Narrator, Recording, narrate
from runs import byte_tokens
from tiny import noise

from mothertongue.data.card import read_card
from mothertongue.data.clips import load_clip, read_split
from mothertongue.data.manifest import Utterance, read_manifest, write_manifest
from mothertongue.data.pseudo_labels import Labeller
from mothertongue.decoding.transcript import Clip, DecodeConfig, Transcript
from mothertongue.errors import ConfigError, DataError
from mothertongue.inference.labelling import recognize as recognizing
from mothertongue.inference.labelling.filters import LabelOptions
from mothertongue.inference.labelling.label import Teachers, label, refuse_nothing_kept
from mothertongue.inference.labelling.recognize import Recognizer, groups_of
from mothertongue.inference.output_files import find_sources
from mothertongue.inference.speech_detection import everything
from mothertongue.system.json_files import read_json_lines

KEEP_ALL = LabelOptions(keep=1.0)
FILES = ("manifest.jsonl", "rejected.jsonl", "data_card.json", "review.jsonl")
Decode = Callable[[Sequence[Clip]], list[Transcript]]


@dataclass
class Stub:
    """An engine whose decoder is given; it counts how often it was opened."""

    decode: Decode
    opened: int = 0
    clips: list[Clip] = field(default_factory=list)
    tokens: Any = field(default_factory=byte_tokens)
    trained_context: str = "bucket"

    def __call__(self) -> Any:
        self.opened += 1
        return self

    def make(self, *_: object) -> Any:
        return _Decoder(self)


@dataclass
class _Decoder:
    stub: Stub

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.stub.clips += clips
        return self.stub.decode(clips)


def teacher(stub: Any, digest: str = "1", round_: int = 1) -> Teachers:
    return Teachers(recognizer(stub, digest), round_)


def recognizer(stub: Any, digest: str = "1") -> Recognizer:
    model = f"model-{digest}"
    return Recognizer(model, digest, stub, DecodeConfig(), "sw", everything, {"vad": "off"})


def by_length(clips: Sequence[Clip]) -> list[Transcript]:
    """12 characters a second; the longer a clip, the less probable."""
    return [
        Transcript(
            ("maji " * 99)[: round(12 * each.duration_s)].strip(), "sw", (1,), -each.duration_s / 10
        )
        for each in clips
    ]


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """40 recordings of different lengths, in two folders."""
    for i in range(40):
        path = tmp_path / "audio" / f"{i % 2}" / f"{i // 2:02}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, noise(1 + i / 20, i), 16_000)
    return tmp_path / "audio"


def test_rows_are_pieces_of_a_long_recording_with_their_words(tmp_path: Path) -> None:
    words = ["moja mbili tatu nne tano sita saba nane tisa kumi"] * 24
    recording: Recording = narrate(words)
    path = recording.write(tmp_path / "radio" / "show.wav")
    narrator = Narrator(recording)
    stub = Stub(lambda clips: [replace(each, words=None) for each in narrator.decode(clips)])
    options = LabelOptions(keep=1.0, max_speed=100)
    out = tmp_path / "pseudo"
    report = label(teacher(stub), find_sources([path]), out, options)
    rows = list(read_manifest(out))
    assert len(rows) == report.splits["train"].clips >= 4
    assert recording.duration_s > 90
    spoken = [word for phrase in recording.phrases for word in phrase.words]
    for row, clip in zip(rows, stub.clips, strict=True):
        assert row.audio == str(path) and row.is_pseudo_labelled and row.split == "train"
        assert row.average_log_probability == -0.1
        assert row.start_s is not None and row.duration_s <= 30
        end_s = row.start_s + row.duration_s
        inside = [text for text, start, end in spoken if row.start_s <= (start + end) / 2 < end_s]
        assert row.text == " ".join(inside)
        np.testing.assert_array_equal(load_clip(out, row), clip.samples_N)
    assert sum(row.duration_s for row in rows) == pytest.approx(recording.duration_s)


def test_prepared_data_is_not_replaced_by_labels(audio: Path, tmp_path: Path) -> None:
    out, stub = tmp_path / "data", Stub(by_length)
    write_manifest(out / "manifest.jsonl", [Utterance("a", "a.wav", "neno", "sw", 1.0)])
    before = (out / "manifest.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=r"not one that label wrote.*give another --out"):
        label(teacher(stub), find_sources([audio]), out, KEEP_ALL)
    assert (stub.opened, (out / "manifest.jsonl").read_bytes()) == (0, before)


def test_what_is_dropped_is_counted_and_listed(audio: Path, tmp_path: Path) -> None:
    (audio / "broken.wav").write_bytes(b"RIFF and no more")

    def some(clips: Sequence[Clip]) -> list[Transcript]:
        found = by_length(clips)
        return [Transcript("", "sw", (), -9.0) if c.duration_s < 1.2 else t
                for c, t in zip(clips, found, strict=True)]  # fmt: skip

    out = tmp_path / "pseudo"
    report = label(teacher(Stub(some), round_=3), find_sources([audio]), out, LabelOptions())
    assert report.rejected == {"LBL-SHARE": 10, "LBL-EMPTY": 4, "AUD-FORMAT": 1}
    rejected = [record for _, record in read_json_lines(out / "rejected.jsonl", dict[str, Any])]
    assert sorted({each["code"] for each in rejected}) == ["AUD-FORMAT", "LBL-EMPTY", "LBL-SHARE"]
    dropped = [each["row"] for each in rejected if each["code"] == "LBL-SHARE"]
    assert all(each["text"] and each["duration_s"] for each in dropped)
    kept = list(read_manifest(out))
    assert len(kept) == 26  # 0.7 x 36, rounded up
    assert max(each.duration_s for each in kept) < min(each["duration_s"] for each in dropped)
    card = read_card(out)
    assert card is not None
    found = card.labelling
    assert found is not None
    assert (found.model, found.model_sha256, found.round) == ("model-1", "1", 3)
    assert found.recordings == 41 and found.pieces == 40
    assert found.filters == LabelOptions().model_dump(mode="json")
    assert found.least_log_probability == pytest.approx(-max(k.duration_s for k in kept) / 10)


def test_a_name_that_is_no_utf8_costs_its_recording(audio: Path, tmp_path: Path) -> None:
    (audio / "0/00.wav").rename(audio / os.fsdecode(b"0/a\xff.wav"))
    out = tmp_path / "pseudo"
    report = label(teacher(Stub(by_length)), find_sources([audio]), out, KEEP_ALL)
    assert report.rejected == {"PATH-NAME": 1}
    assert report.splits["train"].clips == 39
    (rejected,) = [record for _, record in read_json_lines(out / "rejected.jsonl", dict[str, Any])]
    assert rejected["row"] == {"audio": f"{audio}/0/a\\udcff.wav"}


def test_the_same_command_gives_the_same_bytes_and_decodes_nothing_again(
    audio: Path, tmp_path: Path
) -> None:
    stub, out, sources = Stub(by_length), tmp_path / "pseudo", find_sources([audio])
    label(teacher(stub), sources, out, LabelOptions())
    before = contents(out)
    label(teacher(stub), sources, out, LabelOptions())
    assert contents(out) == before and stub.opened == 1
    label(teacher(stub), sources, out, KEEP_ALL)  # other filters need no decoding
    assert stub.opened == 1 and len(list(read_manifest(out))) == 40
    label(teacher(stub, "2"), sources, out, LabelOptions())
    assert stub.opened == 2  # another model


def test_a_stopped_command_goes_on_and_ends_with_the_same_bytes(
    audio: Path, tmp_path: Path
) -> None:
    sources = find_sources([audio])
    groups = list(groups_of(sources))
    assert len(groups) == 2
    label(teacher(Stub(by_length)), sources, tmp_path / "whole", KEEP_ALL)

    def stopped(clips: Sequence[Clip]) -> list[Transcript]:
        if len(stub.clips) > len(groups[0]):
            raise KeyboardInterrupt
        return by_length(clips)

    stub, out = Stub(stopped), tmp_path / "pseudo"
    with pytest.raises(KeyboardInterrupt):
        label(teacher(stub), sources, out, KEEP_ALL)
    assert not (out / "manifest.jsonl").exists()
    again = Stub(by_length)
    label(teacher(again), sources, out, KEEP_ALL)
    assert len(again.clips) == len(groups[1])
    assert contents(out) == contents(tmp_path / "whole")


def test_large_recordings_are_groups_by_themselves(
    audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognizing, "GROUP_BYTES", 100_000)
    sizes = [sum(each.path.stat().st_size for each in g) for g in groups_of(find_sources([audio]))]
    assert len(sizes) > 20 and sum(size <= 100_000 for size in sizes) >= len(sizes) // 2


def test_a_second_model_has_to_agree(audio: Path, tmp_path: Path) -> None:
    def other(clips: Sequence[Clip]) -> list[Transcript]:
        return [
            each if i % 2 else Transcript("chakula", "sw", (1,), -0.1)
            for i, each in enumerate(by_length(clips))
        ]

    teachers = Teachers(recognizer(Stub(by_length)), 1, recognizer(Stub(other), "2"))
    options = LabelOptions(keep=1.0, least_agreement=0.9)
    report = label(teachers, find_sources([audio]), tmp_path / "pseudo", options)
    assert report.rejected == {"LBL-AGREE": 20}
    assert report.labelling is not None
    assert report.labelling.agree_with == Labeller("model-2", "2")


def test_filters_without_effect_are_refused(audio: Path, tmp_path: Path) -> None:
    sources, stub = find_sources([audio]), Stub(by_length)
    with pytest.raises(ConfigError, match="no effect without a second model"):
        label(teacher(stub), sources, tmp_path / "x", LabelOptions(least_agreement=0.9))
    both = Teachers(recognizer(stub), 1, recognizer(stub))
    with pytest.raises(ConfigError, match="always agrees"):
        label(both, sources, tmp_path / "x", LabelOptions(least_agreement=0.9))
    with pytest.raises(ConfigError, match="is not below"):
        label(teacher(stub), sources, tmp_path / "x", LabelOptions(min_speed=30))
    assert not stub.opened


def test_an_engine_without_log_probabilities_is_refused(audio: Path, tmp_path: Path) -> None:
    def unsure(clips: Sequence[Clip]) -> list[Transcript]:
        return [Transcript("maji", "sw", (1,), None) for _ in clips]

    with pytest.raises(ConfigError, match="gives no log-probabilities"):
        label(teacher(Stub(unsure)), find_sources([audio]), tmp_path / "pseudo", KEEP_ALL)


def test_nothing_kept_is_an_error_after_all_was_written(audio: Path, tmp_path: Path) -> None:
    out = tmp_path / "pseudo"
    silent = Stub(lambda clips: [Transcript("", "sw", (), -1.0) for _ in clips])
    report = label(teacher(silent), find_sources([audio]), out, KEEP_ALL)
    with pytest.raises(DataError, match=r"none of 40 pieces was kept \(LBL-EMPTY 40\)"):
        refuse_nothing_kept(report, out)
    assert (out / "rejected.jsonl").is_file()


def test_no_speech_in_any_recording(audio: Path, tmp_path: Path) -> None:
    quiet = replace(recognizer(Stub(by_length)), find=lambda _samples: [])
    with pytest.raises(DataError, match="no speech was found in 40 recordings"):
        label(Teachers(quiet, 1), find_sources([audio]), tmp_path / "pseudo", KEEP_ALL)


def test_nothing_is_scored_on_pseudo_labels(audio: Path, tmp_path: Path) -> None:
    out = tmp_path / "pseudo"
    label(teacher(Stub(by_length)), find_sources([audio]), out, KEEP_ALL)
    with pytest.raises(DataError, match="40 of the 40 utterances to score have pseudo-labels"):
        read_split([out], "train", None)
    manifest = out / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"train"', '"test"', 1))
    with pytest.raises(
        DataError, match=r"manifest.jsonl:1: split is 'test', expected train: a mod"
    ):
        list(read_manifest(out))


def test_rows_of_one_name_in_two_folders_have_different_ids(audio: Path, tmp_path: Path) -> None:
    sources = find_sources([audio / "0", audio / "1"])
    label(teacher(Stub(by_length)), sources, tmp_path / "pseudo", KEEP_ALL)
    rows: list[Utterance] = list(read_manifest(tmp_path / "pseudo"))
    assert len({row.id for row in rows}) == 40
