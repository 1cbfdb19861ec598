"""Recordings through an engine that tells what it was given, and through real ones."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import soundfile
import warm
from bad_decoders import write_bad
from parrot import Parrot
from tiny import noise
from tiny_runs import Exports

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import AudioError, Samples
from mothertongue.data.sandbox import samples
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.decoding.transcript import Clip, DecodeConfig, Transcript
from mothertongue.errors import ConfigError, DataError
from mothertongue.inference.open_model import open_model
from mothertongue.inference.output_files import Outputs, find_sources
from mothertongue.inference.speech_detection import everything, voiced
from mothertongue.inference.subtitles import Recording
from mothertongue.inference.transcribe import TOGETHER, transcribe_files
from mothertongue.inference.transcribe_files import transcribe_sources

DEMO_AUDIO = Path(__file__).parents[2] / "src/mothertongue/recipes/demo_data/audio"


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    """40 short ones, a long one, a broken one, a silent one."""
    paths = []
    for i, seconds in enumerate([1.0] * 40 + [400.0]):
        paths.append(tmp_path / f"{i:02}.wav")
        soundfile.write(paths[-1], noise(seconds, i), 16_000)
    broken, silent = tmp_path / "97.wav", tmp_path / "98.wav"
    broken.write_bytes(b"RIFF but no more")
    soundfile.write(silent, np.zeros(16_000 * 5), 16_000)
    return [*paths, broken, silent]


def test_pieces_of_many_recordings_share_batches(recordings: list[Path]) -> None:
    engine, told = Parrot(), {}
    found = list(
        transcribe_files(
            engine,
            recordings,
            everything,
            "sw",
            "full",
            on_progress=lambda path, s: told.update({path: s}),
        )
    )
    assert [path for path, _ in found] == recordings
    texts = [each.text for _, each in found[:40] if isinstance(each, Recording)]
    assert texts == ["1.0"] * 40
    long = found[40][1]
    assert isinstance(long, Recording)
    assert sum(map(float, long.text.split())) == pytest.approx(400, abs=1)
    assert [each.start_s for each in long.segments] == sorted(
        each.start_s for each in long.segments
    )
    assert isinstance(found[41][1], AudioError)
    assert told[recordings[40]] == pytest.approx(400.0)
    sizes = [len(call) for call in engine.calls if call]
    assert max(sizes) <= TOGETHER and sizes[0] == TOGETHER


def test_the_first_piece_tells_the_language(recordings: list[Path]) -> None:
    engine = Parrot()
    found = dict(transcribe_files(engine, recordings[38:41], everything, None, "bucket"))
    assert {each.language for each in found.values() if isinstance(each, Recording)} == {"fr"}
    asked = [clip.language for call in engine.calls for clip in call]
    assert asked.count(None) == 3
    assert {clip.context for call in engine.calls for clip in call} == {"bucket"}


def test_the_next_recording_is_decoded_while_one_is_transcribed(
    recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = {path: Event() for path in recordings[:2]}
    stream = samples.stream

    def told(sandbox: Sandbox, span: Span) -> Iterator[Samples]:
        begun[span.path].set()
        yield from stream(sandbox, span)

    class Waits(Parrot):
        def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
            assert begun[recordings[1]].wait(20), "nobody reads the second recording"
            return super().decode(clips)

    monkeypatch.setattr(samples, "stream", told)
    monkeypatch.setattr("mothertongue.inference.transcribe.TOGETHER", 1)
    found = dict(transcribe_files(Waits(), recordings[:2], everything, "sw", "full"))
    assert [each.text for each in found.values() if isinstance(each, Recording)] == ["1.0"] * 2


def test_silence_says_nothing(recordings: list[Path]) -> None:
    ((_, found),) = transcribe_files(Parrot(), recordings[-1:], voiced, None, "full")
    assert found == Recording(None, 5.0, ())


def test_a_recording_that_kills_its_decoder_stops_no_other(
    bad_task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "TASK", bad_task)
    paths = [tmp_path / f"{name}.wav" for name in ("a", "b", "c")]
    for path in paths:
        soundfile.write(path, noise(1.0, 0), 16_000)
    write_bad(paths[1], "crash")
    found = dict(transcribe_files(Parrot(), paths, everything, "sw", "full"))
    assert [type(each) for each in found.values()] == [Recording, AudioError, Recording]
    assert str(found[paths[1]]).startswith(f"AUD-CORRUPT: {paths[1]}: its decoder crashed")


def test_days_of_silence_are_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mothertongue.inference.transcribe.MAX_DURATION_S", 9.0)
    soundfile.write(tmp_path / "a.flac", np.zeros(10 * 16_000), 16_000)
    ((_, found),) = transcribe_files(Parrot(), [tmp_path / "a.flac"], everything, "sw", "full")
    assert isinstance(found, AudioError) and found.code == "AUD-LONG"


def test_all_that_can_be_read_is_written_before_the_faults(
    recordings: list[Path], transformers_folder: Path, tmp_path: Path
) -> None:
    few = find_sources([*recordings[:2], *recordings[41:]])
    outputs = Outputs(tmp_path / "out", ["json"], few, {})

    def transcribed(opened: Any) -> Any:
        return transcribe_sources(
            opened,
            few,
            outputs,
            DecodeConfig(),
            "sw",
            everything,
            True,  # type: ignore[arg-type]
        )

    done = transcribed(lambda: open_model(str(transformers_folder)))
    assert len(done.recordings) == 3
    with pytest.raises(DataError, match=r"1 recordings were not read:\nAUD-"):
        done.refuse_faults()
    there = sorted(path.name for path in (tmp_path / "out").glob("*.json"))
    assert there == ["00.json", "01.json", "98.json", "transcription.json"]
    words = json.loads((tmp_path / "out/00.json").read_text())["segments"][0]["words"]
    assert words and all(0 <= each["start_s"] <= each["end_s"] <= 1.0 for each in words)
    recordings[41].unlink()
    few.pop(2)
    transcribed(lambda: pytest.fail("there is nothing left to do"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "format_"),
    [
        *(("bottleneck", "adapter"), ("lora", "adapter"), ("bottleneck", "onnx")),
        *(("full", "ggml"), ("full", "hf"), ("full", "ctranslate2")),
    ],
)
def test_every_export_says_what_its_run_says(
    tiny_runs: dict[str, Path], exports: Exports, kind: str, format_: str
) -> None:
    run, folder = tiny_runs[kind], exports(kind, format_)
    clips = [Clip(noise(1.0, seed), "sw") for seed in range(3)]
    config = DecodeConfig(batch_size=2)
    # Of the artefact's own precision, where torch may choose another on this machine.
    theirs_in = {"precision": "fp32"} if format_ in ("adapter", "hf") else {}
    ours, theirs = (
        open_model(str(path), **options).make("full", config, lambda _: None).decode(clips)
        for path, options in ((run, {"precision": "fp32"}), (folder, theirs_in))
    )
    if format_ != "ggml":  # its cache is float16
        assert [each.tokens for each in ours] == [each.tokens for each in theirs]
    assert all(each.tokens for each in theirs)
    if format_ in ("onnx", "ggml"):
        with pytest.raises(ConfigError, match="leave out --engine"):
            open_model(str(folder), engine="torch")
        with pytest.raises(ConfigError, match="decodes greedily"):
            open_model(str(folder)).make("full", DecodeConfig(beam_size=2), lambda _: None)


MEASURE = """
import sys
from pathlib import Path
from mothertongue.model.devices import peak_memory_bytes
from mothertongue.inference.speech_detection import voiced
from mothertongue.inference.transcribe import transcribe_files
from parrot import Parrot
import torch
((_, found),) = transcribe_files(Parrot(True), [Path(sys.argv[1])], voiced, "sw", "full")
print(len(found.segments), round(found.duration_s), peak_memory_bytes(torch.device("cpu")))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    sentence_N = np.concatenate(
        [soundfile.read(path)[0] for path in sorted(DEMO_AUDIO.glob("*.opus"))[:40]]
    )
    measure, peaks = tmp_path / "measure.py", []
    measure.write_text(MEASURE)
    for minutes in (10, 40):
        path = tmp_path / f"{minutes}.flac"
        times = round(60 * minutes * 16_000 / len(sentence_N))
        with soundfile.SoundFile(path, "w", 16_000, 1) as file:
            for _ in range(times):
                file.write(sentence_N)
        done = warm.run(measure, path)
        assert done.returncode == 0, done.stderr
        segments, seconds, peak = map(int, done.stdout.split())
        assert seconds == pytest.approx(times * len(sentence_N) / 16_000, abs=1)
        assert segments > minutes
        peaks.append(peak)
    # 30 minutes more are 115 MB of samples.
    assert peaks[1] - peaks[0] < 60e6
