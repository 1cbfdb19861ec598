"""Test which settings of augmentation are accepted, and which are refused."""

from typing import Any

import pytest

from mothertongue.config import parse
from mothertongue.data.augment.config import AugmentConfig, SpeedConfig, allowed
from mothertongue.errors import ConfigError

ALL: dict[str, Any] = {name: {} for name in AugmentConfig.model_fields}


def test_everything_is_off_by_default() -> None:
    assert not AugmentConfig().is_on
    assert all(AugmentConfig.model_validate({name: {}}).is_on for name in ALL)


def test_a_runs_own_record_of_its_settings_can_be_read_again() -> None:
    config = parse(AugmentConfig, ALL, "x.yaml")
    assert parse(AugmentConfig, config.model_dump(mode="json"), "x.yaml") == config


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ("speed", {"factors": [1.0, 1.1]}, "factor 1 changes nothing"),
        ("speed", {"factors": []}, "at least 1 item"),
        ("speed", {"factors": [0.9001]}, "at most three decimals"),
        ("speed", {"factors": [3.0]}, "less than or equal to 2"),
        ("speed", {"probability": 0}, "greater than 0"),
        ("gain", {"db": [6, -6]}, "the smaller number first"),
        ("gain", {"probability": 1.1}, "less than or equal to 1"),
        ("gain", {"db": [float("nan"), 3]}, "finite number"),
        ("noise", {"folder": "noises", "colors": ["pink"]}, "colors has no effect with a folder"),
        ("noise", {"colors": ["green"]}, "'white', 'pink' or 'brown'"),
        ("reverberation", {"folder": "rooms", "rt60_s": [1, 2]}, "rt60_s has no effect"),
        ("low_pass", {"cutoff_hz": [4000, 8000]}, "less than or equal to 7900"),
        ("spec_augment", {"frequency_masks": 0, "time_masks": 0}, "no masks at all"),
        ("spec_augment", {"time_frames": 0}, "greater than 0"),
        ("telephone", {"rate": 8000}, "unknown key"),
        ("pitch", {}, "unknown key"),
    ],
)
def test_what_is_refused_with_its_key(change: str, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"  {change}.*{reason}"):
        parse(AugmentConfig, {change: settings}, "x.yaml")


def test_factors_are_equally_likely_and_the_rest_stays() -> None:
    speed = SpeedConfig(probability=0.5, factors=(0.9, 1.1))
    drawn = [speed.drawn(share / 1000) for share in range(1000)]
    assert [drawn.count(factor) for factor in (0.9, 1.1, 1.0)] == [250, 250, 500]
    assert 1.0 not in {SpeedConfig(probability=1).drawn(share / 1000) for share in range(1000)}


def test_outcomes_of_a_clip_that_slowing_would_make_too_long() -> None:
    speed = SpeedConfig(probability=0.5, factors=(0.9, 1.25))
    assert speed.outcomes(10.0) == [(0.5, 10.0), (0.25, 10.0 / 0.9), (0.25, 8.0)]
    assert speed.outcomes(28.0) == [(0.5, 28.0), (0.25, 28.0), (0.25, 22.4)]
    assert allowed(0.9, 27.0) == 0.9
    assert allowed(0.9, 27.1) == 1.0
