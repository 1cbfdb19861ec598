"""Test that recordings are joined from the right clips and scored as transcribe hears them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import tone, write_clip
from runs import save_corpus, write_experiment

from mothertongue.data.manifest import Utterance, read_data, read_manifest, write_manifest
from mothertongue.decoding.transcript import Clip, DecodeConfig, Transcript
from mothertongue.decoding.word_timestamps import Word
from mothertongue.errors import ConfigError, DataError
from mothertongue.evaluation.records import LongScores, Ratio
from mothertongue.experiment.identity import write_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.inference.engine import Engine
from mothertongue.inference.evaluate_run import evaluate_any
from mothertongue.inference.long_form import (
    LongForm,
    joined,
    long_settings,
    recordings_of,
    speech_edges,
)
from mothertongue.inference.speech_detection import everything
from mothertongue.system.json_files import built, read_json, to_json

WORDS = ("moja", "mbili", "tatu", "nne")


class Tones:
    """An engine that names each clip's tones in order, and may miss those after the first few."""

    def __init__(self, most: int = 99) -> None:
        self.most = most

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        return self.decode([Clip(each, language) for each in audio])

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        return [self._heard(clip) for clip in clips]

    def _heard(self, clip: Clip) -> Transcript:
        words: list[Word] = []
        for start, end in _loud(clip.samples_N)[: self.most]:
            hertz = np.abs(np.fft.rfft(clip.samples_N[start:end], 16_000)).argmax()
            text = " " + WORDS[round((hertz - 400) / 200)]
            words.append(Word(text, start / 16_000, end / 16_000, 0.9, (1,)))
        said = "".join(each.text for each in words).strip()
        found = Transcript(said, clip.language or "sw", (1,), -0.1)
        return replace(found, words=tuple(words) if clip.word_times else None)


def _loud(samples_N: np.ndarray) -> list[tuple[int, int]]:
    """Return the spans of the tones: 20 ms frames that are not silent."""
    padded_N = np.pad(samples_N, (0, -len(samples_N) % 320))
    loud_F = (np.abs(padded_N.reshape(-1, 320)).max(axis=1) > 0.01).astype(int)
    edges = np.diff(loud_F, prepend=0, append=0)
    return list(zip(*(np.flatnonzero(edges == way) * 320 for way in (1, -1)), strict=True))


def engine(most: int = 99) -> Any:
    def opened(model: str, *, borrow: Mapping[str, str] | None = None) -> Engine:
        tokens: Any = None
        return Engine("base", lambda *_: Tones(most), {"engine": "tones"}, tokens)

    return opened


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve clips of 4 s, each a tone of 2 s with a second of silence around; two speakers."""
    clips = []
    for i in range(12):
        sound = np.pad(tone(2.0, 400 + 200 * (i % 4)), 16_000)
        path = write_clip(tmp_path / "data" / f"{i}.wav", sound)
        facts = {"language": "sw", "duration_s": 4.0, "split": "test", "speaker": f"s{i % 2}"}
        clips.append(Utterance(f"{i}", path.name, WORDS[i % 4].title() + ".", **facts))
    write_manifest(tmp_path / "data" / "manifest.jsonl", clips)
    return tmp_path / "data"


def scored(model: str, data: Path | None, most: int = 99, **changes: Any) -> LongScores:
    settings = LongForm(everything, "off", changes.pop("minutes", 5.0))
    config = DecodeConfig()
    return evaluate_any(model, data, "test", None, config, engine(most), False, settings)


def test_recordings_are_of_one_voice_and_of_the_length_asked_for(data: Path) -> None:
    clips = read_data([data])
    assert recordings_of(clips, 5.0) == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    assert recordings_of(clips, 0.2) == [[0, 2, 4], [6, 8, 10], [1, 3, 5], [7, 9, 11]]
    unknown = [
        replace(each, speaker=None, language="fr" if i else "sw")
        for i, each in enumerate(clips[:4])
    ]
    assert recordings_of(unknown, 5.0) == [[0], [1, 2, 3]]
    whole = [replace(each, start_s=0.0) for each in unknown]  # files of which each is one clip
    assert recordings_of(whole, 5.0) == [[0], [1, 2, 3]]
    parts = [replace(each, start_s=4.0 * i, audio="a.wav") for i, each in enumerate(unknown)]
    other = [replace(each, audio="b.wav") for each in parts]
    assert recordings_of(parts + other, 5.0) == [[0, 4], [1, 2, 3], [5, 6, 7]]
    durations = [replace(each, duration_s=1.0 + 5 * (i % 7)) for i, each in enumerate(clips * 20)]
    for minutes in (0.5, 1.0, 3.0):
        found = recordings_of(durations, minutes)
        assert sorted(i for each in found for i in each) == [*range(240)]
        lengths = [sum(durations[i].duration_s for i in each) / 60 for each in found]
        assert all(abs(each - minutes) < 0.3 * minutes + 0.5 for each in lengths)


def test_speech_is_between_the_silences_of_a_clip() -> None:
    sound = np.pad(tone(2.0, 400), (8000, 16_000))
    assert speech_edges(sound) == (8000, 40_000)
    assert speech_edges(np.zeros(1000, np.float32)) == (0, 1000)
    noisy = sound + tone(3.5, 50) / 10  # only 20 dB below
    assert speech_edges(noisy) == (0, len(sound))
    recording_N, speech_s = joined([sound, sound])
    assert len(recording_N) == 2 * len(sound) + 8000
    assert speech_s == [(0.5, 2.5), (4.5, 6.5)]


def test_a_perfect_engine_has_no_errors_and_exact_times(data: Path) -> None:
    result = scored("base", data)
    assert result.scores["strict"].wer == result.scores_clips["strict"].wer == 0
    assert result.ratio == Ratio("wer", None, None)
    assert [each.parts for each in result.recordings] == [6, 6]
    assert result.recordings[0].hypothesis == "moja tatu moja tatu moja tatu"
    assert result.recordings[0].duration_s == 6 * 4 + 5 * 0.5
    assert result.times.starts_found == result.times.ends_found == 12
    assert result.times.median_start_error_s < 0.021
    assert result.times.median_end_error_s < 0.021
    assert result.decoding["vad"] == "off"
    assert built(to_json(result), "scores", LongScores) == result


def test_a_model_that_stops_early_loses_text_in_recordings_only(data: Path) -> None:
    result = scored("base", data, most=3)
    assert result.scores_clips["strict"].wer == 0
    assert result.scores["strict"].wer == result.scores["strict"].deletions / 12 == 0.5


def test_recordings_with_their_text_beside_them(tmp_path: Path, data: Path) -> None:
    sounds = [np.pad(tone(2.0, 400 + 200 * i), 8000) for i in range(4)]
    write_clip(tmp_path / "radio" / "news.wav", np.concatenate(sounds * 4))
    text = tmp_path / "radio" / "news.txt"
    text.write_text("Moja mbili\ntatu nne\n\n" * 4)
    for path in (tmp_path / "radio", tmp_path / "radio" / "news.wav"):
        result = scored("base", path)
        assert result.scores["strict"].wer == 0
        assert result.scores["strict"].reference_words == 16
        assert (result.recordings[0].parts, result.scores_clips) == (8, None)
    first = result.data_digest
    text.write_text("Moja mbili\ntatu kumi\n\n" * 4)
    result = scored("base", path)
    assert result.scores["strict"].wer == 0.25
    assert result.data_digest != first
    text.write_text("\n")
    with pytest.raises(DataError, match=r"news\.txt: no text, expected what is said in news\.wav"):
        scored("base", path)
    text.unlink()
    with pytest.raises(DataError, match=r"news\.txt: not there.*give each recording its text"):
        scored("base", path)


def test_a_run_keeps_the_scores_beside_those_of_clips(tmp_path: Path) -> None:
    data = save_corpus(tmp_path / "corpus")
    run_dir = RunDir(tmp_path / "run")
    run_dir.path.mkdir()
    write_experiment(run_dir.path, tmp_path / "base", data)
    write_identity(run_dir, "b", [data], read_data([data]), print)
    run_dir.record.touch()
    result = scored(str(run_dir.path), None)
    kept = read_json(run_dir.evaluation("long-test"), LongScores)
    assert kept == result
    assert kept.leaks is not None and kept.leaks.audio == 0
    trained = [replace(each, split="test") for each in read_manifest(data)]
    write_manifest(tmp_path / "corpus" / "other.jsonl", trained)
    with pytest.raises(DataError, match="was trained on the audio of 12"):
        scored(str(run_dir.path), tmp_path / "corpus" / "other.jsonl")


def test_settings_without_effect_are_refused() -> None:
    assert long_settings(False, None, None) is None
    with pytest.raises(ConfigError, match="--minutes has no effect without --long-form"):
        long_settings(False, 3.0, None)
    with pytest.raises(ConfigError, match="--vad has no effect without --long-form"):
        long_settings(False, None, "off")
    found = long_settings(True, None, "off")
    assert found is not None
    assert (found.minutes, found.vad) == (5.0, "off")
