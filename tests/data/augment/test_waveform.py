"""Test each change of samples against the effect that is known by construction."""

import math

import numpy as np
import pytest
from clips import RATE_HZ, tone
from tiny import noise

from mothertongue.data.augment.config import Color
from mothertongue.data.augment.waveform import (
    TRANSITION_HZ,
    add_noise,
    change_gain,
    change_speed,
    colored_noise,
    decaying_response,
    from_direct_sound,
    low_pass,
    reverberate,
    telephone,
)

CLIP = noise(2.0)


def power(samples_N: np.ndarray) -> float:
    return float(np.mean(np.square(samples_N, dtype=np.float64)))


def decibels(ratio: float) -> float:
    return 10 * math.log10(ratio)


def pitch_hz(samples_N: np.ndarray) -> float:
    """Return the frequency of the highest peak of the spectrum, interpolated between its bins."""
    spectrum_K = np.abs(np.fft.rfft(samples_N * np.hanning(len(samples_N)), 16 * len(samples_N)))
    return float(spectrum_K.argmax()) * RATE_HZ / (16 * len(samples_N))


def middle(samples_N: np.ndarray) -> np.ndarray:
    """Return the samples without the edges, where a filter meets silence."""
    return samples_N[2000:-2000]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 1.25, 2.0])
@pytest.mark.parametrize("num_samples", [20_001, 33_000])
def test_speed_changes_length_and_pitch_by_the_factor(factor: float, num_samples: int) -> None:
    sine_N = tone(num_samples / RATE_HZ, 400.0)
    changed_N = change_speed(sine_N, factor)
    assert changed_N.dtype == np.float32
    assert len(changed_N) == math.floor(num_samples / factor + 0.5)
    assert pitch_hz(changed_N) == pytest.approx(400 * factor, rel=1e-3)
    assert power(middle(changed_N)) == pytest.approx(power(middle(sine_N)), rel=0.01)


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 0.0, 3.5, 12.0])
def test_gain_is_exact(gain_db: float) -> None:
    changed_N = change_gain(CLIP, gain_db)
    assert changed_N.dtype == np.float32
    np.testing.assert_allclose(changed_N, CLIP * 10 ** (gain_db / 20), rtol=1e-6)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
@pytest.mark.parametrize("color", ["white", "pink", "brown"])
def test_noise_has_the_ratio_that_was_asked_for(snr_db: float, color: Color) -> None:
    noise_N = colored_noise(len(CLIP), color, np.random.default_rng(0))
    mixed_N = add_noise(CLIP, noise_N, snr_db)
    assert mixed_N.dtype == np.float32
    added_N = mixed_N.astype(np.float64) - CLIP
    assert decibels(power(CLIP) / power(added_N)) == pytest.approx(snr_db, abs=0.1)
    assert np.corrcoef(added_N, noise_N)[0, 1] > 0.999


def test_silence_has_no_ratio_to_noise() -> None:
    silence_N = np.zeros_like(CLIP)
    assert np.array_equal(add_noise(silence_N, CLIP, 10.0), silence_N)
    assert np.array_equal(add_noise(CLIP, silence_N, 10.0), CLIP)


@pytest.mark.parametrize(("color", "fall_db"), [("white", 0.0), ("pink", 10.0), ("brown", 20.0)])
def test_a_color_is_the_fall_of_its_power_density(color: Color, fall_db: float) -> None:
    """The fall is measured in dB from 100 Hz to 1 kHz."""
    noise_N = colored_noise(20 * RATE_HZ, color, np.random.default_rng(1))
    density_K = np.square(np.abs(np.fft.rfft(noise_N)))
    hertz_K = np.fft.rfftfreq(len(noise_N), 1 / RATE_HZ)
    near = [density_K[np.abs(hertz_K - f) < 0.1 * f].mean() for f in (100.0, 1000.0)]
    # On a slope, the mean density over 10 % on either side is close to that in the middle.
    assert decibels(near[0] / near[1]) == pytest.approx(fall_db, abs=1.0)
    assert power(noise_N) > 0
    assert density_K[hertz_K < 19].max() < 1e-6 * density_K.max()


@pytest.mark.parametrize("cutoff_hz", [1000.0, 4000.0, 7000.0])
def test_low_pass_stops_what_is_above_and_passes_what_is_below(cutoff_hz: float) -> None:
    def passed_db(hertz: float) -> float:
        sine_N = tone(1.0, hertz)
        return decibels(power(middle(low_pass(sine_N, cutoff_hz))) / power(middle(sine_N)))

    assert all(passed_db(cutoff_hz + more) < -40 for more in (0, 50, 500, 900))
    below = cutoff_hz - TRANSITION_HZ
    assert [passed_db(below - less) for less in (0, 50, 500)] == pytest.approx([0.0] * 3, abs=0.1)


@pytest.mark.parametrize("change", [lambda x: low_pass(x, 7800.0), lambda x: reverberate(x, PLAIN)])
def test_a_change_that_lets_all_through_delays_nothing(change: object) -> None:
    sine_N = tone(1.0, 440.0)
    np.testing.assert_allclose(middle(change(sine_N)), middle(sine_N), atol=2e-3)


PLAIN = np.array([1.0], np.float32)


def test_a_telephone_line_has_its_band_and_rounds_by_mu_law() -> None:
    def heard(hertz: float, volume: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        sine_N = tone(1.0, hertz) * np.float32(volume)
        return middle(sine_N), middle(telephone(sine_N))

    for hertz in (50.0, 100.0, 4100.0, 6000.0):
        sine_N, line_N = heard(hertz)
        assert power(line_N) < 1e-4 * power(sine_N)
    for volume in (1.0, 0.1):
        sine_N, line_N = heard(1000.0, volume)
        # G.711's signal to quantization noise is 33 to 39 dB over a wide range of volumes.
        assert 30 < decibels(power(sine_N) / power(line_N - sine_N)) < 45
    assert len(telephone(CLIP)) == len(CLIP)
    assert len(telephone(CLIP[:1001])) == 1001


@pytest.mark.parametrize("rt60_s", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("direct_db", [-3.0, 0.0, 10.0])
def test_a_synthetic_room_decays_by_60_db_in_its_time(rt60_s: float, direct_db: float) -> None:
    response_K = decaying_response(rt60_s, direct_db, np.random.default_rng(0)).astype(np.float64)
    assert response_K[0] == 1
    assert decibels(1 / np.square(response_K[1:]).sum()) == pytest.approx(direct_db, abs=0.01)
    # The remaining energy falls like the sound itself (Schroeder 1965).
    left_K = np.cumsum(np.square(response_K[:0:-1]))[::-1]
    tenth = len(left_K) // 10
    fall_db = decibels(left_K[tenth] / left_K[4 * tenth])
    assert fall_db == pytest.approx(0.3 * 60, abs=1.5)


def test_a_room_repeats_a_click_as_its_response_and_keeps_the_power() -> None:
    click_N = np.zeros(1000, np.float32)
    click_N[100] = 0.5
    heard_N = reverberate(click_N, np.array([1.0, 0.0, -0.5], np.float32))
    scale = 0.5 / math.sqrt(1.25)
    expected_N = np.zeros(1000)
    expected_N[[100, 102]] = scale, -scale / 2
    np.testing.assert_allclose(heard_N, expected_N, atol=1e-6)
    response_K = decaying_response(0.4, 3.0, np.random.default_rng(0))
    assert power(reverberate(CLIP, response_K)) == pytest.approx(power(CLIP), rel=1e-5)
    assert len(reverberate(CLIP, response_K)) == len(CLIP)
    assert not reverberate(np.zeros(100, np.float32), response_K).any()


def test_a_recorded_response_begins_with_its_direct_sound() -> None:
    recorded_K = np.array([0.0, 0.01, 0.0, -0.9, 0.3, 0.1], np.float32)
    assert from_direct_sound(recorded_K).tolist() == recorded_K[3:].tolist()
