"""Test that the changes of a clip depend on seed, epoch and clip, and on nothing else."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import RATE_HZ, tone, write_clip
from tiny import noise

from mothertongue.data.audio.load import AudioError
from mothertongue.data.augment.augmenter import Augmenter, sound_digests
from mothertongue.data.augment.config import AugmentConfig
from mothertongue.data.manifest import Utterance
from mothertongue.errors import ConfigError

ALWAYS = {"probability": 1}
CHANGES: dict[str, Any] = {
    "speed": ALWAYS,
    "reverberation": ALWAYS,
    "noise": ALWAYS,
    "low_pass": ALWAYS,
    "telephone": ALWAYS,
    "gain": {},
}
SAMPLES = noise(2.0)


def clip(name: str = "a", seconds: float = 2.0) -> Utterance:
    return Utterance(name, f"{name}.wav", "moja", "sw", seconds)


def augmenter(seed: int = 0, **changes: Any) -> Augmenter:
    return Augmenter(AugmentConfig.model_validate(changes), seed)


def heard(of: Augmenter, name: str = "a", epoch: int = 0) -> bytes:
    return of.samples(SAMPLES, clip(name), epoch).tobytes()


def test_off_gives_the_very_samples() -> None:
    off = augmenter()
    assert off.samples(SAMPLES, clip(), 0) is SAMPLES
    assert off.duration_s(clip(), 0) == 2.0


@pytest.mark.parametrize("change", [*CHANGES, "all"])
def test_a_draw_depends_on_seed_epoch_and_clip_alone(change: str) -> None:
    settings = CHANGES if change == "all" else {change: CHANGES[change]}
    of = augmenter(**settings)
    first = heard(of)
    others = {heard(of, "b"), heard(of, epoch=1), heard(augmenter(1, **settings))}
    assert heard(of) == heard(augmenter(**settings)) == heard(pickle.loads(pickle.dumps(of)))
    assert heard(of) == first != SAMPLES.tobytes()
    if change in ("speed", "telephone"):  # two factors; a line that is always the same
        others = {heard(of, epoch=epoch) for epoch in range(20)}
        assert len(others) == (2 if change == "speed" else 1)
    else:
        assert len(others - {first}) == 3


def test_a_change_draws_the_same_whichever_others_are_on() -> None:
    quiet = augmenter(gain=CHANGES["gain"]).samples(SAMPLES, clip(), 3)
    both = augmenter(gain=CHANGES["gain"], low_pass=ALWAYS)
    gain = np.float32(quiet[100] / SAMPLES[100])
    filtered = augmenter(low_pass=ALWAYS).samples(SAMPLES, clip(), 3)
    np.testing.assert_allclose(both.samples(SAMPLES, clip(), 3), gain * filtered, rtol=1e-5)


@pytest.mark.parametrize("change", ["reverberation", "noise", "low_pass", "telephone", "gain"])
def test_as_many_clips_change_as_the_probability_says(change: str) -> None:
    of = augmenter(**{change: {"probability": 0.25}})
    samples_N = SAMPLES[:400]
    changed = sum(of.samples(samples_N, clip(), epoch) is not samples_N for epoch in range(600))
    assert 100 < changed < 200  # 150; a standard deviation is 10.6


def test_speed_is_planned_as_it_is_done() -> None:
    of = augmenter(speed={})
    factors = [of.factor(clip(), epoch) for epoch in range(900)]
    assert all(240 < factors.count(each) < 360 for each in (0.9, 1.0, 1.1))  # 300; 14.1
    for epoch in range(6):
        length = len(of.samples(SAMPLES, clip(), epoch)) / RATE_HZ
        assert length == pytest.approx(of.duration_s(clip(), epoch), abs=1 / RATE_HZ)


def test_no_clip_is_slowed_beyond_30_s() -> None:
    of = augmenter(speed={"factors": [0.9], "probability": 1})
    assert of.duration_s(clip(seconds=27.0), 0) == pytest.approx(30.0)
    assert of.factor(clip(seconds=28.0), 0) == 1.0
    assert of.samples(SAMPLES, clip(seconds=28.0), 0) is SAMPLES


def test_masks_are_drawn_for_each_clip_and_epoch() -> None:
    of = augmenter(spec_augment={"probability": 0.5})
    found = [of.masks(200, clip(), epoch) for epoch in range(200)]
    again = [augmenter(spec_augment={"probability": 0.5}).masks(200, clip(), e) for e in range(200)]
    assert all(map(np.array_equal, found, again))
    drawn = [each for each in found if each.any()]
    assert 70 < len(drawn) < 130
    assert len({each.tobytes() for each in drawn}) == len(drawn)


def test_noise_of_a_folder_is_one_of_its_sounds(tmp_path: Path) -> None:
    for hertz in (500, 2000):
        write_clip(tmp_path / "deep" / f"{hertz}.wav", tone(0.7, hertz))
    (tmp_path / "LICENSE").write_text("not a sound")
    of = augmenter(noise={"folder": str(tmp_path), "snr_db": [0, 0], "probability": 1})
    silent_N = SAMPLES.copy()
    found = set()
    for epoch in range(20):
        added_N = of.samples(silent_N, clip(), epoch) - silent_N
        assert np.square(added_N).mean() == pytest.approx(np.square(silent_N).mean(), rel=1e-3)
        found.add(round(float(np.abs(np.fft.rfft(added_N)).argmax()) / 2))
    assert {min(found), max(found)} == {500, 2000}


def test_rooms_of_a_folder(tmp_path: Path) -> None:
    response_K = np.zeros(50, np.float32)
    response_K[10] = 0.5
    write_clip(tmp_path / "room.wav", response_K, subtype="FLOAT")
    of = augmenter(reverberation={"folder": str(tmp_path), "probability": 1})
    np.testing.assert_allclose(of.samples(SAMPLES, clip(), 0), SAMPLES, atol=1e-5)


def test_a_silent_room_is_refused_and_silences_no_clip(tmp_path: Path) -> None:
    write_clip(tmp_path / "room.wav", np.zeros(RATE_HZ, np.float32))
    of = augmenter(reverberation={"folder": str(tmp_path), "probability": 1})
    with pytest.raises(AudioError, match=r"AUD-SILENT: .*room\.wav: silence"):
        of.samples(SAMPLES, clip(), 0)


@pytest.mark.parametrize("change", ["noise", "reverberation"])
def test_a_folder_without_sounds(tmp_path: Path, change: str) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError) as caught:
            augmenter(**{change: {"folder": str(path)}})
        said = str(caught.value)
        assert said.startswith(f"train.augment.{change}.folder: {path} has no sound files; expect")


def test_a_sound_that_is_too_long_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path / "long.wav", np.zeros(11 * RATE_HZ, np.float32))
    of = augmenter(reverberation={"folder": str(tmp_path), "probability": 1})
    with pytest.raises(AudioError, match=r"long\.wav"):
        of.samples(SAMPLES, clip(), 0)


def test_the_digest_of_a_folder_is_that_of_its_sounds(tmp_path: Path) -> None:
    def digest(folder: Path) -> dict[str, str]:
        return sound_digests(AugmentConfig.model_validate({"noise": {"folder": folder}}))

    for name in ("one", "other"):
        write_clip(tmp_path / name / "a.wav", tone(0.1))
        write_clip(tmp_path / name / "b.wav", tone(0.2))
    assert digest(tmp_path / "one") == digest(tmp_path / "other")
    assert list(digest(tmp_path / "one")) == ["noise"]
    write_clip(tmp_path / "other" / "b.wav", tone(0.3))
    assert digest(tmp_path / "one") != digest(tmp_path / "other")
    (tmp_path / "one" / "b.wav").rename(tmp_path / "one" / "c.wav")
    assert digest(tmp_path / "one") != digest(tmp_path / "other")
    assert sound_digests(AugmentConfig(noise={}, reverberation={})) == {}
