"""Draw SpecAugment's masks as bounds: rectangles of a spectrogram whose values are not needed."""

from typing import Any

import numpy as np

from mothertongue.data.augment.config import SpecAugmentConfig

Masks = np.ndarray[Any, np.dtype[np.float32]]
"""(N, 4): first frame, frame after the last, and the bounds in frequency as shares of the mel bins.
An empty rectangle masks nothing."""


def draw_masks(config: SpecAugmentConfig, num_frames: int, rng: np.random.Generator) -> Masks:
    """Return the masks of a clip of `num_frames` mel frames; no mask goes beyond them."""
    bands = [_band(config.frequency_share, num_frames, rng) for _ in range(config.frequency_masks)]
    longest = min(config.time_frames, int(config.time_share * num_frames))
    times = [_time(longest, num_frames, rng) for _ in range(config.time_masks)]
    return np.array([*bands, *times], np.float32)


def no_masks(config: SpecAugmentConfig) -> Masks:
    """Return as many masks as `draw_masks` does, all empty."""
    return np.zeros((config.frequency_masks + config.time_masks, 4), np.float32)


def _band(widest: float, num_frames: int, rng: np.random.Generator) -> tuple[float, ...]:
    width = rng.uniform(0, widest)
    low = rng.uniform(0, 1 - width)
    return (0, num_frames, low, low + width)


def _time(longest: int, num_frames: int, rng: np.random.Generator) -> tuple[float, ...]:
    width = int(rng.integers(longest + 1))
    first = int(rng.integers(num_frames - width + 1))
    return (first, first + width, 0, 1)
