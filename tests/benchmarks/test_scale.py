"""Figures at scale are products of what was measured."""

import pytest
from scale import at_scale


def test_everything_is_derived() -> None:
    measured = {
        "clip_s": 6.0,
        "audio_bytes_per_s": 4000.0,
        "train_audio_s_per_s": 10.0,
        "manifest_bytes_per_clip": 300.0,
        "memory_bytes_per_clip": 1000.0,
        "open_s_per_clip": 1e-3,
        "plan_s_per_clip": 1e-5,
        "prefix_bytes_per_audio_s": 50_000.0,
        "checkpoints_bytes": 2e9,
    }
    found = at_scale(measured, languages=2, hours=10, epochs=3)
    assert found["clips"] == pytest.approx(12_000)
    assert found["audio_bytes"] == pytest.approx(288e6)
    assert found["memory_of_each_process_bytes"] == pytest.approx(12e6)
    assert found["start_of_each_process_s"] == pytest.approx(12.0)
    assert found["device_years"] * 365 * 86400 == pytest.approx(3 * 72_000 / 10)
    assert found["checkpoints_bytes_a_run_a_language"] == pytest.approx(4e9)
