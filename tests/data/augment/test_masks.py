"""Test that SpecAugment's masks stay on the clip's own frames, and within the allowed size."""

import numpy as np
import pytest

from mothertongue.data.augment.config import SpecAugmentConfig
from mothertongue.data.augment.masks import draw_masks, no_masks

DRAWS = 300


@pytest.mark.parametrize("num_frames", [1, 19, 20, 137, 1000, 3000])
@pytest.mark.parametrize("time_share", [0.05, 1.0])
def test_no_mask_leaves_the_clip_or_is_larger_than_allowed(
    num_frames: int, time_share: float
) -> None:
    config = SpecAugmentConfig(time_share=time_share)
    rng = np.random.default_rng(num_frames)
    masks_DR4 = np.stack([draw_masks(config, num_frames, rng) for _ in range(DRAWS)])
    assert masks_DR4.shape == (DRAWS, 4, 4)
    first, stop, low, high = np.moveaxis(masks_DR4, -1, 0)
    assert (first >= 0).all() and (first <= stop).all() and (stop <= num_frames).all()
    assert (low >= 0).all() and (low <= high).all() and (high <= 1).all()
    bands, times = slice(0, 2), slice(2, 4)
    assert (high - low)[:, bands].max() <= 0.34 + 1e-6
    assert (first[:, bands] == 0).all() and (stop[:, bands] == num_frames).all()
    assert (low[:, times] == 0).all() and (high[:, times] == 1).all()
    longest = (stop - first)[:, times].max()
    allowed = min(100, int(time_share * num_frames))
    assert longest <= allowed
    assert longest >= 0.9 * allowed  # such long ones are also drawn
    if allowed:
        assert len({*first[:, times].flat}) > 1


def test_the_number_of_masks_is_that_of_the_settings() -> None:
    config = SpecAugmentConfig(frequency_masks=0, time_masks=3)
    masks = draw_masks(config, 500, np.random.default_rng(0))
    assert masks.shape == no_masks(config).shape == (3, 4)
    assert not no_masks(config).any()
