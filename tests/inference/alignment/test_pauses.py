"""Test the pauses of recordings whose silences are known."""

import numpy as np
import pytest
from narrator import narrate

from mothertongue.data.audio.load import FRAME_SAMPLES
from mothertongue.inference.alignment.pauses import FRAME_S, Loudness, Sound, sound_of


def measured(samples_N: np.ndarray, block: int = 5_000) -> Sound:
    loudness = Loudness()
    for start in range(0, len(samples_N), block):
        loudness.add(samples_N[start : start + block])
    return sound_of(loudness.levels())


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-2])
def test_pauses_are_where_nobody_speaks(noise: float) -> None:
    """With a floor of noise from nothing to 20 dB below the speech."""
    recording = narrate(["habari za asubuhi", "njema sana", "karibu nyumbani"])
    rng = np.random.default_rng(1)
    noisy_N = recording.samples_N + noise * rng.standard_normal(len(recording.samples_N))
    found = [(each.start_s, each.end_s) for each in measured(noisy_N.astype(np.float32)).pauses()]
    true = [recording.pause_before(number) for number in range(4)]
    assert np.abs(np.array(found) - np.array(true)).max() < 2 * FRAME_S


def test_blocks_of_any_length_give_the_same_levels() -> None:
    samples_N = narrate(["habari gani", "njema"]).samples_N
    pauses = measured(samples_N).pauses()
    for block in (1, 319, 321, len(samples_N)):
        assert measured(samples_N[:9_000], block).total_s == measured(samples_N[:9_000]).total_s
        assert block == 1 or measured(samples_N, block).pauses() == pauses


def test_a_recording_without_pauses_has_none() -> None:
    rng = np.random.default_rng(0)
    steady = measured(np.full(32_000, 0.1, np.float32))
    assert steady.pauses() == [] and steady.total_s == pytest.approx(2.0)
    noise = measured((0.1 * rng.standard_normal(32_000)).astype(np.float32))
    assert noise.pauses() == []
    assert measured(np.zeros(FRAME_SAMPLES - 1, np.float32)).pauses() == []


def test_a_pause_takes_no_time_of_the_sound() -> None:
    sound = Sound(np.array([True] * 10 + [False] * 20 + [True] * 5))
    assert sound.total_s == pytest.approx(15 * FRAME_S)
    times_s = np.array([0.0, 0.1, 0.2, 0.4, 0.6, 0.64, 99.0, -1.0])
    expected = [0.0, 0.1, 0.2, 0.2, 0.2, 0.24, 0.3, 0.0]
    assert sound.before(times_s).tolist() == pytest.approx(expected)
    assert sound.between(0.1, 0.64) == pytest.approx(0.14)
