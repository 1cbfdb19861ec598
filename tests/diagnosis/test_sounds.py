"""Test level, noise, clipping and fingerprints of sounds whose properties are known."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from hearing import examined

from mothertongue.diagnosis.duplicates import duplicate_findings
from mothertongue.diagnosis.findings import ExaminedClip
from mothertongue.diagnosis.fingerprints import fingerprint, near_duplicates
from mothertongue.diagnosis.sounds import level_of, sound_findings

RATE_HZ = 16_000


def speech(seed: int, seconds: float = 3.0) -> np.ndarray:
    """Return gliding harmonic syllables with pauses between words; float32 (N,), peak 0.5."""
    draw = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < seconds * RATE_HZ:
        count = int(draw.uniform(0.1, 0.25) * RATE_HZ)
        times = np.arange(count) / RATE_HZ
        pitch = draw.uniform(90, 250) * (1 + draw.uniform(-0.3, 0.3) * times / times[-1])
        phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
        loud = draw.uniform(0, 1, 14) ** 2
        voice = sum(a * np.sin(k * phase) for k, a in enumerate(loud, start=1))
        parts += [voice * np.hanning(count), np.zeros(int(draw.choice([0, 0, 0.15]) * RATE_HZ))]
    samples_N = np.concatenate(parts)[: round(seconds * RATE_HZ)]
    return (0.5 * samples_N / np.abs(samples_N).max()).astype(np.float32)


def noise(samples_N: np.ndarray, snr_db: float) -> np.ndarray:
    """Return white noise that is `snr_db` below the loud parts of the samples."""
    loud = np.quantile(np.square(samples_N.reshape(-1, 320)).mean(axis=1), 0.9)
    draw = np.random.default_rng(0).standard_normal(len(samples_N))
    return (draw * np.sqrt(loud / 10 ** (snr_db / 10))).astype(np.float32)


def found(samples_N: np.ndarray) -> list[str]:
    (clip,) = examined(1)
    level = level_of(samples_N)
    heard = replace(
        clip.heard,
        level_db=level.level_db,
        snr_db=level.snr_db,
        clipped_share=level.clipped_share,
    )
    return [each.code for each in sound_findings([replace(clip, heard=heard)])]


@pytest.mark.parametrize("snr_db", [3.0, 10.0, 20.0])
def test_the_noise_that_was_added_is_measured(snr_db: float) -> None:
    clean_N = speech(0)
    assert level_of(clean_N + noise(clean_N, snr_db)).snr_db == pytest.approx(snr_db, abs=2.0)


def test_good_sound_noise_silence_and_clipping_are_told_apart() -> None:
    clean_N = speech(1)
    assert found(clean_N) == []
    assert found(clean_N / 50 + 0.2) == []  # quiet, and with an offset
    assert found(clean_N + noise(clean_N, 3)) == ["NOISY"]
    assert found(clean_N * 1e-4) == ["SILENT"]
    assert found(np.zeros(RATE_HZ, np.float32)) == ["SILENT"]
    assert found(np.clip(4 * clean_N, -1, 1)) == ["CLIPPED"]
    assert found(0.3 * np.clip(4 * clean_N, -1, 1)) == ["CLIPPED"]  # made quieter afterwards


def coded(samples_N: np.ndarray, container: str, codec: str) -> np.ndarray:
    """Return the samples after encoding by a lossy codec and decoding."""
    file = io.BytesIO()
    sf.write(file, samples_N, RATE_HZ, format=container, subtype=codec)
    file.seek(0)
    return sf.read(file, dtype="float32")[0]


CHANGES = {
    "gain": lambda x_N: 0.2 * x_N,
    "opus": lambda x_N: coded(x_N, "OGG", "OPUS"),
    "mp3": lambda x_N: coded(0.7 * x_N, "MP3", "MPEG_LAYER_III"),
    "start cut off": lambda x_N: x_N[5_000:],
    "silence before": lambda x_N: np.concatenate([np.zeros(7_777, np.float32), x_N]),
    "noise": lambda x_N: x_N + noise(x_N, 20),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_has_almost_the_same_fingerprint_and_other_speech_has_not(
    change: object,
) -> None:
    assert callable(change)
    originals = [fingerprint(speech(seed)) for seed in range(12)]
    copy = fingerprint(np.asarray(change(speech(5)), np.float32))
    ((a, b, share),) = near_duplicates([*originals, copy])
    assert (a, b) == (5, 12) and share < 0.25


def test_a_clip_too_short_for_a_fingerprint_is_no_duplicate() -> None:
    assert fingerprint(speech(0, 0.2)) == ""
    assert [*near_duplicates(["", "", fingerprint(np.zeros(RATE_HZ, np.float32))])] == []


def in_split(clip: ExaminedClip, split: str, **changes: str) -> ExaminedClip:
    return replace(clip, utterance=replace(clip.utterance, split=split, **changes))


def test_duplicates_are_told_where_splits_share_them() -> None:
    clips = examined(30)
    sound = fingerprint(speech(1))
    clips[0] = replace(clips[0], heard=replace(clips[0].heard, fingerprint=sound))
    same = replace(clips[1], heard=replace(clips[1].heard, fingerprint=sound))
    clips[1] = in_split(same, "test")
    clips[2] = in_split(clips[2], "validation", text=clips[3].text[:-1] + "o")
    clips[4] = in_split(clips[4], "train", text=clips[5].text)  # within one split
    found = [(each.id, each.duplicate_of) for each in duplicate_findings(clips)]
    assert found == [("c0", "c1"), ("c3", "c2")]


def test_of_many_duplicates_of_a_clip_the_nearest_is_named() -> None:
    clips = examined(8)
    text = clips[0].text
    for number, other in enumerate([text[:-1] + "x", text, text[:-2] + "xx", text], start=1):
        clips[number] = in_split(clips[number], "test", text=other)
    found = [(each.id, each.duplicate_of) for each in duplicate_findings(clips)]
    assert found == [("c0", "c2")]
