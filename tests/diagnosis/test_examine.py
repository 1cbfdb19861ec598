"""Test the whole doctor, with an engine that is given its transcripts, and with a tiny Whisper."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import write_clip
from hearing import badly, examined
from runs import byte_tokens, save_base, save_corpus
from tiny import noise
from typer.testing import CliRunner

from mothertongue.cli import app
from mothertongue.data.decisions import read_decisions
from mothertongue.data.manifest import Utterance, read_data, write_manifest
from mothertongue.decoding.transcript import Clip, DecodeConfig, Transcript
from mothertongue.diagnosis.examine import examine
from mothertongue.diagnosis.listen import RECOGNIZED, Listener, listen
from mothertongue.diagnosis.records import DoctorRecord
from mothertongue.errors import DataError
from mothertongue.inference.engine import Engine
from mothertongue.system.json_files import read_json

COUNT = 40


class Told:
    """A recognizer that knows clips by their length in samples, and counts its clips."""

    def __init__(self, said: dict[int, str]) -> None:
        self.said, self.asked, self.dies_after = said, 0, 10**9

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.asked += len(clips)
        if self.asked > self.dies_after:
            raise KeyboardInterrupt
        return [
            Transcript(
                badly(self.said[len(clip.samples_N)], len(clip.samples_N)),
                "sw",
                (1,),
                -0.1,
                detected_language="sw",
            )
            for clip in clips
        ]

    def engine(self) -> Engine:
        """Return an engine with this recognizer."""
        return Engine("base", lambda context, config, advance: self, {}, byte_tokens())


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, Told]:
    """Write a manifest of noise, each clip of its own length; return it with its recognizer."""
    said, clips = {}, []
    for number, each in enumerate(examined(COUNT)):
        samples_N = noise(0.5 + 0.01 * number, number)
        write_clip(tmp_path / "data" / f"{number}.wav", samples_N)
        said[len(samples_N)] = each.text
        facts = {"language": "sw", "duration_s": len(samples_N) / 16_000}
        clips.append(Utterance(f"c{number}", f"{number}.wav", each.text, **facts))
    write_manifest(tmp_path / "data/manifest.jsonl", clips)
    return tmp_path / "data", Told(said)


def listener(told: Told, **changes: Any) -> Listener:
    config = DecodeConfig(batch_size=8, detect_language=True)
    return replace(Listener("told", told.engine, config), **changes)


def rewrite(data: Path, change: Callable[[dict[str, str]], None]) -> None:
    """Change the texts of a manifest, by the ids of its clips."""
    lines = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]
    texts = {line["id"]: line["text"] for line in lines}
    change(texts)
    write_manifest(
        data / "manifest.jsonl", [Utterance(**line | {"text": texts[line["id"]]}) for line in lines]
    )


def test_what_was_planted_is_found_and_nothing_else(corpus: tuple[Path, Told]) -> None:
    data, told = corpus

    def plant(texts: dict[str, str]) -> None:
        texts["c3"], texts["c30"] = texts["c30"], texts["c3"]
        texts["c20"] = "…"

    rewrite(data, plant)
    out = data / "doctor"
    record = examine(data, out, [listener(told)], lambda count: None)
    # The clips are noise, and their durations do not fit the texts.
    beside = ("NOISY", "TOO-MUCH-TEXT", "TOO-LITTLE-TEXT")
    found = {each.id: each for each in record.findings if each.code not in beside}
    assert {name: each.code for name, each in found.items()} == {
        "c3": "MISPAIRED",
        "c30": "MISPAIRED",
        "c20": "EMPTY",
    }
    assert (found["c3"].belongs_to, found["c3"].says) == ("c30", "c30")
    assert record.clips == COUNT and record.counts["MISPAIRED"] == 2
    scores = [each.score for each in record.findings]
    assert scores == sorted(scores, reverse=True)
    assert read_json(out / "doctor.json", DoctorRecord) == record
    decisions = read_decisions(out / "decisions.jsonl")
    assert decisions["c20"].decision == "accept" and "EMPTY" in (decisions["c20"].note or "")


def test_what_somebody_decided_is_not_written_over(corpus: tuple[Path, Told]) -> None:
    data, told = corpus
    out = data / "doctor"
    out.mkdir()
    (out / "decisions.jsonl").write_text('{"id": "c1", "decision": "drop"}\n')
    examine(data, out, [listener(told)], lambda count: None)
    assert read_decisions(out / "decisions.jsonl")["c1"].decision == "drop"


def test_damaged_decisions_are_said_before_anything_is_recognized(
    corpus: tuple[Path, Told],
) -> None:
    data, told = corpus
    (data / "doctor").mkdir()
    (data / "doctor/decisions.jsonl").write_text('{"id": "c1", "decision": "remove"}\n')
    with pytest.raises(DataError, match=r"decisions\.jsonl:1: .*decision"):
        examine(data, data / "doctor", [listener(told)], lambda count: None)
    assert not (data / "doctor" / RECOGNIZED).exists()


def test_a_doctor_that_is_stopped_goes_on_and_one_with_other_texts_hears_nothing_anew(
    corpus: tuple[Path, Told],
) -> None:
    data, told = corpus
    clips, cache = read_data([data]), data / "doctor" / RECOGNIZED
    told.dies_after = 20
    with pytest.raises(KeyboardInterrupt):
        listen(listener(told), clips, cache)
    assert len(cache.read_text().splitlines()) == 16  # two batches of 8
    with cache.open("a") as file:
        file.write('{"key": "cut o')  # as a kill leaves it
    told.asked, told.dies_after = 0, 10**9
    counts: list[int] = []
    whole = listen(listener(told), clips, cache, counts.append)
    assert told.asked == COUNT - 16 and sum(counts) == COUNT
    told.asked = 0
    rewrite(data, lambda texts: texts.update(c1="maneno mengine"))
    assert listen(listener(told), read_data([data]), cache) == whole and told.asked == 0
    listen(listener(told, model="another"), clips, cache)
    assert told.asked == COUNT


def test_another_sound_is_heard_anew_and_one_that_cannot_be_read_is_a_finding(
    corpus: tuple[Path, Told],
) -> None:
    data, told = corpus
    out = data / "doctor"
    examine(data, out, [listener(told)], lambda count: None)
    (data / "5.wav").write_bytes((data / "5.wav").read_bytes()[:5_000])
    write_clip(data / "6.wav", noise(0.56, 99))
    told.asked = 0
    record = examine(data, out, [listener(told)], lambda count: None)
    assert told.asked == 1
    assert record.findings[0].id == "c5" and record.counts["UNREADABLE"] == 1


def test_a_cache_that_is_damaged_is_named(corpus: tuple[Path, Told]) -> None:
    data, told = corpus
    (data / RECOGNIZED).write_text('{"key": "x"}\n')
    with pytest.raises(DataError, match=r"recognized\.jsonl:1: .*text.*remove it"):
        listen(listener(told), read_data([data]), data / RECOGNIZED)


def test_the_verb_runs_with_a_tiny_whisper(tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data", train=14)
    report = tmp_path / "found.json"
    arguments = ["doctor", str(data), "--model", str(base), "--json", str(report)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    record = json.loads(report.read_text())
    assert record["clips"] == 20 and record["model"] == str(base)
    assert {"id", "code", "score", "message", "suggestion"} <= set(record["findings"][0])
    out = data / "doctor"
    names = {"doctor.json", "doctor.html", "recognized.jsonl", "decisions.jsonl"}
    assert {path.name for path in out.iterdir()} == names
    assert "http" not in (out / "doctor.html").read_text().replace("http-equiv", "")


def test_the_verb_writes_folds_and_says_what_to_type(tmp_path: Path) -> None:
    data = save_corpus(tmp_path / "data", train=4)
    done = CliRunner().invoke(app, ["doctor", str(data), "--folds", "2"])
    assert done.exit_code == 0, done.output
    last = f"mothertongue doctor {data} --model runs/fold1 --model runs/fold2"
    assert done.output.splitlines()[-1] == last
    assert {path.name for path in (data / "doctor").iterdir()} == {"fold1", "fold2"}
