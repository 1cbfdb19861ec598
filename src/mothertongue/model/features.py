"""Compute log-mel features from samples, one batch of one context at a time.

B batch, S samples (16,000 a second), M mels, F mel frames (100 a second), L label tokens,
T encoder frames (50 a second), D width, R masks.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.clips import Samples

WINDOW_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms


def pad_samples(clips: Sequence[Samples], context_s: int) -> Tensor:
    """Return samples_BS: the clips followed by silence up to the context.

    Raises ValueError for a clip that is longer: cutting it would leave words without their sound.
    """
    samples_BS = torch.zeros(len(clips), context_s * SAMPLE_RATE_HZ)
    for row, clip in enumerate(clips):
        if len(clip) > samples_BS.shape[1]:
            seconds = len(clip) / SAMPLE_RATE_HZ
            raise ValueError(f"a clip of {seconds:.2f} s does not fit a context of {context_s} s")
        samples_BS[row, : len(clip)] = torch.from_numpy(clip)
    return samples_BS


def log_mel(samples_BS: Tensor, mel_bins: int, masks_BR4: Tensor | None = None) -> Tensor:
    """Return mel_BMF: Whisper's log-mel spectrogram, F = S / 160, on the samples' device.

    Equal to transformers' WhisperFeatureExtractor: Hann window of 25 ms, hop of 10 ms, slaney mel
    filters, log10, clamped to 8 below each clip's own maximum, then (x + 4) / 4. Always float32.
    masks_BR4 are SpecAugment's: first frame, frame after the last, and the bounds in frequency as
    shares of the mels. Values inside are 0, about the mean of all clips (Radford et al. 2022,
    sec. 2.2), as Park et al. 2019 set them to the mean.
    """
    with torch.autocast(samples_BS.device.type, enabled=False):
        window_W, filters_MK = _constants(mel_bins, samples_BS.device)
        spectrum_BKF = torch.stft(
            samples_BS.float(), WINDOW_SAMPLES, HOP_SAMPLES, window=window_W, return_complex=True
        )[..., :-1]
        power_BKF = spectrum_BKF.abs().square()
        mel_BMF = filters_MK @ power_BKF
        log_BMF = mel_BMF.clamp(min=1e-10).log10()
        loudest_B11 = log_BMF.amax(dim=(1, 2), keepdim=True)
        mel_BMF = (log_BMF.maximum(loudest_B11 - 8.0) + 4.0) / 4.0
        return mel_BMF if masks_BR4 is None else _masked(mel_BMF, masks_BR4)


@lru_cache(maxsize=4)
def _constants(mel_bins: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the Hann window (400,) and the mel filters on a device, copied to it once.

    A copy in each step would make the host wait for a GPU to finish.
    """
    return torch.hann_window(WINDOW_SAMPLES, device=device), mel_filters(mel_bins).to(device)


@lru_cache(maxsize=2)
def mel_filters(mel_bins: int) -> Tensor:
    """Return the (M, 201) matrix from power spectrum to mel bins, 0-8 kHz."""
    filters = mel_filter_bank(
        num_frequency_bins=1 + WINDOW_SAMPLES // 2,
        num_mel_filters=mel_bins,
        min_frequency=0.0,
        max_frequency=8000.0,
        sampling_rate=SAMPLE_RATE_HZ,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(filters.T.astype(np.float32)).contiguous()


def _masked(mel_BMF: Tensor, masks_BR4: Tensor) -> Tensor:
    """mel_BMF with the masks set to 0; a mel that lies in a mask in part stays."""
    first_BR1, stop_BR1, low_BR1, high_BR1 = masks_BR4.split(1, dim=-1)
    mels, frames = mel_BMF.shape[1:]
    frames_F = torch.arange(frames, device=mel_BMF.device)
    mels_M = torch.arange(mels, device=mel_BMF.device)
    in_time_BRF = (frames_F >= first_BR1) & (frames_F < stop_BR1)
    in_band_BRM = (mels_M >= low_BR1 * mels) & (mels_M + 1 <= high_BR1 * mels)
    masked_BMF = (in_band_BRM[..., None] & in_time_BRF[:, :, None]).any(dim=1)
    return mel_BMF.masked_fill(masked_BMF, 0.0)
