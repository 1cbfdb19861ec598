"""Measure level, noise and clipping of a clip, from its samples. No torch.

N samples at 16 kHz, F frames of 20 ms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mothertongue.data.audio.load import FRAME_SAMPLES, Samples
from mothertongue.diagnosis.findings import ExaminedClip, Finding, score_of

Floats = np.ndarray[Any, np.dtype[np.float64]]
FLOOR_DB = -96.0  # the step of 16 bits
SILENT_DB = -60.0
"""Even speech that is recorded far too low has its loud frames at about -45 dB."""
NOISY_SNR_DB = 8.0
"""Below 10 dB recognizers lose many words. The estimate is too low if a speaker never pauses."""
CLIPPED_SHARE = 0.004
"""Normal speech reaches its own peak in single samples; clipped speech reaches it in runs."""
PEAK_SHARE = 0.985
"""A sample this near to the clip's own peak counts, so clipping is found even after a later gain. A
later lossy codec hides it."""


@dataclass(frozen=True, slots=True)
class Level:
    """The level of the loud frames in dB of full scale, the SNR in dB, the share at the peak."""

    level_db: float
    snr_db: float
    clipped_share: float


def level_of(samples_N: Samples) -> Level:
    """Return the level of a clip, without its constant offset.

    Speech pauses, noise does not: the quietest tenth of the frames is taken as noise, the loudest
    tenth as speech with noise.
    """
    centered_N = samples_N - samples_N.mean()
    energy_F = _frame_energy(centered_N)
    noise, loud = np.quantile(energy_F, (0.1, 0.9))
    peak = float(np.abs(centered_N).max(initial=0.0))
    clipped = float(np.mean(np.abs(centered_N) >= PEAK_SHARE * peak)) if peak else 0.0
    snr_db = _db(max(loud - noise, 0.0)) - _db(float(noise))
    return Level(round(_db(float(loud)), 1), round(snr_db, 1), round(clipped, 5))


def sound_findings(clips: Sequence[ExaminedClip]) -> Iterator[Finding]:
    """Yield SILENT, CLIPPED and NOISY findings; a silent clip has no other of them."""
    for clip in clips:
        heard = clip.heard
        if heard.level_db < SILENT_DB:
            message = f"the loudest parts are at {heard.level_db:.0f} dB of full scale"
            score = score_of("SILENT", 1.0)
            yield Finding(clip.id, "SILENT", score, message, level_db=heard.level_db)
            continue
        if heard.clipped_share > CLIPPED_SHARE:
            message = f"{heard.clipped_share:.1%} of the samples are at the clip's peak"
            strength = heard.clipped_share / (heard.clipped_share + CLIPPED_SHARE)
            score = score_of("CLIPPED", strength)
            yield Finding(clip.id, "CLIPPED", score, message, clipped_share=heard.clipped_share)
        if heard.snr_db < NOISY_SNR_DB:
            message = f"speech is about {heard.snr_db:.0f} dB above the noise"
            strength = min(1.0, (2 * NOISY_SNR_DB - heard.snr_db) / (2 * NOISY_SNR_DB))
            score = score_of("NOISY", strength)
            yield Finding(clip.id, "NOISY", score, message, snr_db=heard.snr_db)


def _frame_energy(samples_N: Samples) -> Floats:
    num_frames = max(1, len(samples_N) // FRAME_SAMPLES)
    whole_N = np.resize(samples_N, num_frames * FRAME_SAMPLES)
    frames_FN = whole_N.reshape(num_frames, FRAME_SAMPLES).astype(np.float64)
    return np.asarray(np.square(frames_FN).mean(axis=1))


def _db(energy: float) -> float:
    return max(FLOOR_DB, 10 * float(np.log10(max(energy, 1e-12))))
