"""Change a clip's samples. Each function is pure: float32 (N,) at 16 kHz in and out.

All functions except `change_speed` keep the number of samples, and add no delay. Peaks may exceed
1: nothing is clipped, because the log-mel spectrogram has no full scale.
"""

import math
from typing import Any

import numpy as np
import soxr

from mothertongue.data.audio.decoders import Samples
from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.augment.config import Color

TRANSITION_HZ = 200.0
"""The width of the band between the frequencies that a filter passes and those that it stops."""
KAISER_BETA = 5.65  # 60 dB: 0.1102 (60 - 8.7), Oppenheim and Schafer, "Discrete-Time Signal
FILTER_TAPS = (
    293  # Processing", eq. 7.75; and (60 - 8) / (2.285 x 2 pi x 200 / 16,000), odd, eq. 7.76
)
EXPONENT: dict[Color, float] = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""The amplitudes fall with f to this power, so the power density falls with twice this power."""
LOWEST_HZ = 20.0
MU = 255.0
TELEPHONE_HZ, TELEPHONE_BAND_HZ = 8000, (300.0, 3400.0)

Floats = np.ndarray[Any, np.dtype[np.float64]]


def change_speed(samples_N: Samples, factor: float) -> Samples:
    """Return the clip `factor` times as fast: N / factor samples, rounded; pitch times `factor`."""
    changed_N: Samples = soxr.resample(samples_N, factor, 1.0)
    return changed_N


def change_gain(samples_N: Samples, gain_db: float) -> Samples:
    """Return the clip with its amplitudes times 10^(gain_db / 20)."""
    return samples_N * np.float32(10 ** (gain_db / 20))


def add_noise(samples_N: Samples, noise_N: Samples, snr_db: float) -> Samples:
    """Return the clip with noise, scaled so that the mean powers have this ratio in dB.

    If the clip or the noise is silent, the clip stays unchanged: there is no such ratio.
    """
    signal, noise = _power(samples_N), _power(noise_N)
    if not signal or not noise:
        return samples_N
    scale = math.sqrt(signal / noise) * 10 ** (-snr_db / 20)
    return samples_N + np.float32(scale) * noise_N


def colored_noise(num_samples: int, color: Color, rng: np.random.Generator) -> Samples:
    """Return Gaussian noise (N,) whose power density falls with the frequency, from 20 Hz on."""
    spectrum_K = np.fft.rfft(rng.standard_normal(num_samples))
    hertz_K = np.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE_HZ)
    # Most of the power of brown noise is below 20 Hz: the ratio would count inaudible noise.
    spectrum_K[hertz_K < LOWEST_HZ] = 0
    shaped_K = spectrum_K / np.maximum(hertz_K, LOWEST_HZ) ** EXPONENT[color]
    return np.fft.irfft(shaped_K, num_samples).astype(np.float32)


def low_pass(samples_N: Samples, cutoff_hz: float) -> Samples:
    """Return the clip with nothing above `cutoff_hz` (-60 dB); it fades out over 200 Hz below."""
    return _filtered(samples_N, _sinc(cutoff_hz - TRANSITION_HZ / 2))


def telephone(samples_N: Samples) -> Samples:
    """Return the clip as after a telephone line: 300 to 3,400 Hz, 8 kHz, 8 bits of mu-law.

    The law is G.711's curve, ln(1 + 255 |x|) / ln 256, with 255 levels instead of its segments.
    """
    low_hz, high_hz = TELEPHONE_BAND_HZ
    band_N = _filtered(samples_N, _sinc(high_hz) - _sinc(low_hz))
    line_N = np.clip(soxr.resample(band_N, SAMPLE_RATE_HZ, TELEPHONE_HZ), -1.0, 1.0)
    levels_N = np.round(127 * np.log1p(MU * np.abs(line_N)) / math.log1p(MU)) / 127
    heard_N = np.sign(line_N) * np.expm1(levels_N * math.log1p(MU)) / MU
    wide_N = soxr.resample(heard_N.astype(np.float32), TELEPHONE_HZ, SAMPLE_RATE_HZ)
    return np.pad(wide_N[: len(samples_N)], (0, max(0, len(samples_N) - len(wide_N))))


def reverberate(samples_N: Samples, response_K: Samples) -> Samples:
    """Return the clip in a room, as loud as before; `response_K` begins with the direct sound.

    The reverberation after the clip's end is cut off.
    """
    room_N = _convolved(samples_N, response_K)[: len(samples_N)]
    power = _power(room_N)
    scale = math.sqrt(_power(samples_N) / power) if power else 0.0
    return (scale * room_N).astype(np.float32)


def decaying_response(rt60_s: float, direct_db: float, rng: np.random.Generator) -> Samples:
    """Return a synthetic impulse response (K,), K = rt60_s: a direct sound of 1, decaying noise.

    The noise falls by 60 dB in `rt60_s` (Polack 1988's model). The direct sound has `direct_db`
    more energy than all of the noise.
    """
    times_K = np.arange(1, max(2, round(rt60_s * SAMPLE_RATE_HZ))) / SAMPLE_RATE_HZ
    tail_K = rng.standard_normal(len(times_K)) * 10 ** (-3 * times_K / rt60_s)
    tail_K *= 10 ** (-direct_db / 20) / math.sqrt(float(np.square(tail_K).sum()))
    return np.concatenate([[1.0], tail_K]).astype(np.float32)


def from_direct_sound(response_K: Samples) -> Samples:
    """Return a recorded impulse response from its highest peak, the direct sound, to its end."""
    return response_K[int(np.abs(response_K).argmax()) :]


def _power(samples_N: Samples | Floats) -> float:
    return float(np.mean(np.square(samples_N, dtype=np.float64)))


def _sinc(cutoff_hz: float) -> Floats:
    """Return a low-pass filter of FILTER_TAPS coefficients: -6 dB at `cutoff_hz`, Kaiser window."""
    share = 2 * cutoff_hz / SAMPLE_RATE_HZ
    places_K = np.arange(FILTER_TAPS) - FILTER_TAPS // 2
    taps_K: Floats = share * np.sinc(share * places_K) * np.kaiser(FILTER_TAPS, KAISER_BETA)
    return taps_K


def _filtered(samples_N: Samples, taps_K: Floats) -> Samples:
    """Return the clip after a filter that is symmetric around its middle, without delay."""
    start = len(taps_K) // 2
    return _convolved(samples_N, taps_K)[start : start + len(samples_N)].astype(np.float32)


def _convolved(samples_N: Samples, other_K: Samples | Floats) -> Floats:
    """Return the convolution (N + K - 1,), computed from the spectra in float64."""
    length = len(samples_N) + len(other_K) - 1
    size = 1 << (length - 1).bit_length()  # a power of two is the fastest
    product = np.fft.rfft(samples_N.astype(np.float64), size) * np.fft.rfft(other_K, size)
    return np.fft.irfft(product, size)[:length]
