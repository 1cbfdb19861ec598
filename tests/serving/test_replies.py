import pytest

from mothertongue.inference.subtitles import Recording
from mothertongue.serving.replies import verbose


@pytest.mark.parametrize(("duration_s", "seconds"), [(600.0000625, 600), (600.01, 601), (0.2, 1)])
def test_used_seconds_are_those_of_the_duration_rounded_up(duration_s: float, seconds: int) -> None:
    found = verbose(Recording("sw", duration_s, ()), [], "transcribe")
    assert found["usage"] == {"type": "duration", "seconds": seconds}
    assert found["duration"] <= seconds
