"""Test the measures of benchmarks/timestamps.py on segments that are known."""

import numpy as np
import pytest
from timestamps import Joined, judged, shared_s

SILENT = np.zeros(0, np.float32)
RECORDING = Joined(SILENT, "sw", [(0.5, 8.5), (10.0, 20.0), (21.0, 40.0)])


def test_right_segments_have_no_errors() -> None:
    found = judged([RECORDING], [[(0.5, 8.5), (10.0, 15.0), (15.0, 20.0), (20.7, 40.0)]])
    assert (found["clips"], found["segments"], found["lumps"]) == (3, 4, 0.0)
    assert found["covered"] == found["starts"] == found["ends"] == 1.0
    assert (found["start_s"], found["end_s"]) == (0.0, 0.0)


def test_lumps_cover_the_speech_and_miss_the_joins() -> None:
    found = judged([RECORDING], [[(0.0, 30.0), (30.0, 40.0)]])
    assert (found["lumps"], found["covered"]) == (0.5, 1.0)
    assert (found["starts"], found["ends"]) == (pytest.approx(1 / 3, abs=1e-4),) * 2
    assert (found["start_s"], found["end_s"]) == (9.0, 10.0)
    low, high = found["starts_interval95"]
    assert 0 <= low < 1 / 3 < high <= 1


def test_without_segments_there_are_no_times() -> None:
    found = judged([RECORDING], [[]])
    assert (found["segments"], found["lumps"], found["covered"]) == (0, None, 0.0)
    assert (found["starts"], found["start_s"], found["end_s"]) == (0.0, None, None)


def test_what_two_segments_share_is_counted_once() -> None:
    assert shared_s((0.0, 10.0), [(2.0, 6.0), (4.0, 8.0), (-1.0, 1.0), (9.5, 12.0)]) == 7.5
